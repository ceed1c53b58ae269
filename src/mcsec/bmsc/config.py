"""What a BM-SC is told. Bit rates are bits per second of the IP layer, times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.net.config import ConfigError, complaint, read
from mcsec.wire.mb2.masks import Feature
from mcsec.wire.mb2.userplane import Encapsulation
from mcsec.wire.mb2.values import Ecgi, SessionDuration

_STRICT = ConfigDict(extra="forbid")
_LOOPBACK = IPv4Address("127.0.0.1")
_BARE_GROUP = IPv4Address("239.255.77.1")
#: Features that the emulator has. The others need a user plane that it does not play.
SUPPORTED = Feature.HEARTBEAT | Feature.CELL_LIST | Feature.IPV4V6


class Deallocation(Enum):
    """What becomes of bearers whose TMGI is given back; the specification was not readable there (see readings)."""

    ENDS_BEARERS = "ends-bearers"
    KEEPS_BEARERS = "keeps-bearers"


@dataclass(frozen=True, kw_only=True)
class Area:
    """A service area (SAI)."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    code: int
    capacity: int | None = None
    """Sum of guaranteed bit rates of the bearers in it; None for no bound."""
    radio_frequency: int | None = None
    cells: tuple[Ecgi, ...] = ()
    """Cells of the area, for bearers that are asked for by cell list."""


@dataclass(frozen=True, kw_only=True)
class GcsAs:
    """A server that may ask for TMGIs and bearers, and how far it may go."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    host: str
    realm: str
    may_allocate: bool = True
    may_control: bool = True
    tmgis: int = 64
    areas: frozenset[int] | None = None
    """Areas it may use; None for all."""
    qcis: frozenset[int] = frozenset({65, 66, 67, 69, 70})
    bitrate: int = 10_000_000
    """Most of one bearer."""
    priority: int = 1
    """Best ARP priority level it may ask for; 1 is the highest."""
    sources: tuple[IPv4Network | IPv6Network, ...] = ()
    """Where its MB2-U packets may come from; empty for anywhere."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A transmitter on this machine: the areas it covers, where it sends, and what its air does to packets.

    ``loss``, ``duplicate`` and ``reorder`` are probabilities; a reordered packet comes ``reorder_delay`` late.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    areas: frozenset[int]
    interface: str | None = "lo"
    """Network interface; None: only whoever watches the emulator in this process hears it."""
    ttl: int = 0
    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    reorder_delay: float = 0.02

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in (self.loss, self.duplicate, self.reorder)):
            raise InvalidValue(f"cell {self.name}: a probability is in 0 to 1")
        if min(self.delay, self.jitter, self.reorder_delay) < 0:
            raise InvalidValue(f"cell {self.name}: a delay is not negative")


@dataclass(frozen=True, kw_only=True)
class Diameter:
    """Where MB2-C is served, and with which certificate. Paths are relative to the configuration's directory."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    listen: tuple[str, ...] = ("127.0.0.1:5658",)
    """Addresses and ports; IPv6 addresses in brackets."""
    certificate: Path = Path("tls/bmsc.pem")
    key: Path = Path("tls/bmsc.key")
    authorities: Path = Path("tls/ca.pem")
    """CA of the servers' certificates, each of which carries the server's Diameter identity."""
    plain: bool = False
    """No TLS: only where IPsec or a private link protects the path."""


@dataclass(frozen=True, kw_only=True)
class BmscConfig:
    """The BM-SC."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    host: str
    realm: str
    mcc: str
    mnc: str
    diameter: Diameter = Diameter()  # it is frozen
    gcs_as: tuple[GcsAs, ...] = ()
    areas: tuple[Area, ...] = ()
    cells: tuple[Cell, ...] = ()
    first_service_id: int = 1
    tmgis: int = 1000
    tmgi_lifetime: int | None = 3600
    """None: TMGIs do not expire."""
    activation: float = 0.0
    """How long an activation takes. Above 0 it is answered as ongoing and its end notified."""
    start_ahead: float = 7 * 86400
    """How far ahead a start time may lie."""
    start_tolerance: float = 5.0
    """How far back it may lie."""
    heartbeat: float = 0.0
    """Interval of our heartbeats to servers that have the feature; 0 for none."""
    release_after_loss: float | None = None
    """Free what a server holds when it was unreachable this long; None: never."""
    features: Feature = SUPPORTED
    mb2u_addresses: tuple[IPv4Address | IPv6Address, ...] = (_LOOPBACK,)
    mb2u_port: int = 9470
    """First port of MB2-U, the others follow; 0: any that are free."""
    bearers: int = 16
    """Bearers at a time; each has a port."""
    encapsulation: Encapsulation = Encapsulation.IP
    bare_group: IPv4Address | IPv6Address = _BARE_GROUP
    """Group of bearers whose packets come bare; the port is that of MB2-U."""
    enforce_bitrate: bool = True
    """Drop what is above a bearer's maximum bit rate."""
    success_bit: bool = False
    """Say success in MBMS-Bearer-Result too, not only by leaving it out."""
    deallocation: Deallocation = Deallocation.ENDS_BEARERS
    empty_deallocation_means_all: bool = False
    report_load: bool = False
    seed: int = 1
    """Of the radio's chances."""
    state: Path | None = None
    """File that keeps the Restart-Counter over restarts."""
    admin: str = "unix:bmsc.sock"
    """Operators' API: a socket that only this user can open."""

    def __post_init__(self) -> None:
        Tmgi(self.first_service_id + self.tmgis - 1, self.mcc, self.mnc)
        SessionDuration.of(self.tmgi_lifetime)
        for what, names in (
            ("GCS AS", [server.host.lower() for server in self.gcs_as]),
            ("service area", [area.code for area in self.areas]),
            ("cell", [cell.name for cell in self.cells]),
            ("interface", [cell.interface for cell in self.cells if cell.interface is not None]),
            ("family of MB2-U address", [address.version for address in self.mb2u_addresses]),
        ):
            if len(set(names)) != len(names):
                raise InvalidValue(f"a {what} stands twice", code="bmsc.config")
        if not self.mb2u_addresses or self.features & ~SUPPORTED:
            raise InvalidValue("no MB2-U address, or features that the emulator lacks", code="bmsc.config")
        if not 1 <= self.bearers <= 4096 or not self.bare_group.is_multicast:
            raise InvalidValue(
                "bearers are 1 to 4096, and the bare group is a multicast address", code="bmsc.config"
            )

    def server(self, host: str) -> GcsAs | None:
        """The entry of a GCS AS."""
        return next((server for server in self.gcs_as if server.host.lower() == host.lower()), None)

    def area(self, code: int) -> Area | None:
        """The entry of a service area."""
        return next((area for area in self.areas if area.code == code), None)


@dataclass(frozen=True)
class _File:
    bmsc: BmscConfig = field()


def load(path: Path) -> BmscConfig:
    """Section ``[bmsc]`` of a file; other sections are others' business.

    :raises ConfigError: it cannot be read, or says something that is not understood.
    """
    content = read(path, "docs/bmsc.md has an example")
    try:
        return TypeAdapter(_File).validate_python({"bmsc": content.get("bmsc")}).bmsc
    except InvalidValue as error:
        raise ConfigError(f"{path}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {complaint(error)}") from None
