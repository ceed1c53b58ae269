"""What an MCX server is told of MB2 (``[server.mb2]``) and of the bearers that it wants (``[[server.bearers]]``)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from mcsec.net.config import Section
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.joint import Plan
from mcsec.server.bearers.policy import STANDARD, BearerPolicy
from mcsec.wire.mb2.groups import Qci
from mcsec.wire.mb2.userplane import Encapsulation

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class PeerSection(Section):
    """A Diameter neighbour: the BM-SC, or an agent on the way there.

    ``host`` is its identity, which its certificate must carry; ``address`` is HOST:PORT; ``realms``: what an agent
    serves besides its own. ``tls`` false only where IPsec or a private link protects the path.
    """

    host: str = Field(min_length=1, max_length=255)
    address: str
    realm: str = ""
    transport: Literal["tcp", "sctp"] = "tcp"
    tls: bool = True
    realms: list[str] = []


class Mb2Section(Section):
    """MB2: who we are there, where the BM-SC is, and times in seconds.

    Files are those of ``[server]`` unless given. ``source``: the inner source of the packets on MB2-U.
    ``sign_of_life``: between signs on each bearer's general purpose subchannel; clients say that a bearer is lost when
    none comes for longer. ``heartbeat`` 0: none.
    """

    bmsc: str = ""
    bmsc_realm: str = ""
    host: str = ""
    realm: str = ""
    certificate: str = ""
    key: str = ""
    ca: str = ""
    restart_counter: str = "mb2.json"
    source: str = "127.0.0.1:5000"
    encapsulation: Encapsulation = Encapsulation.IP
    sign_of_life: float = Field(default=2.0, ge=0.1, le=60)
    heartbeat: Seconds = STANDARD.heartbeat or 0.0
    refresh_before: Seconds = STANDARD.refresh_before
    retry_first: float = Field(default=STANDARD.retry_first, gt=0, le=3600)
    retry_most: float = Field(default=STANDARD.retry_most, gt=0, le=86_400)
    redial_first: float = Field(default=1.0, gt=0, le=3600)
    redial_most: float = Field(default=30.0, gt=0, le=86_400)
    watchdog: float = Field(default=30.0, ge=6, le=3600)
    peers: list[PeerSection] = Field(min_length=1)

    @property
    def policy(self) -> BearerPolicy:
        """The times of the bearer engine."""
        return BearerPolicy(
            self.refresh_before, self.retry_first, self.retry_most, heartbeat=self.heartbeat or None
        )


class BearerSection(Section):
    """A pre-established bearer (TS 23.280 10.7.3.1): asked for at the start, and again whenever it is lost. With
    ``dynamic`` it is for one call at a time: asked for when so many of its users are on unicast that it pays
    (``dynamic`` of ``[server.calls]``), given up after it, and announced to its group's users only.

    ``address`` and ``port``: the multicast group of its general purpose subchannel. ``groups``: whom it is announced
    to, by affiliation; none: everybody. Bit rates are bit/s with IP and UDP headers; ``priority`` is the ARP level,
    1 is the highest.
    """

    name: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    areas: list[Annotated[int, Field(ge=0, le=0xFFFF)]] = Field(min_length=1, max_length=256)
    address: IPv4Address | IPv6Address
    port: Port
    groups: list[str] = []
    dynamic: bool = False
    qci: int = Field(default=int(Qci.MC_PTT_VOICE), ge=1, le=255)
    max_bit_rate: int = Field(default=256_000, ge=1, lt=1 << 32)
    guaranteed_bit_rate: int = Field(default=128_000, ge=0, lt=1 << 32)
    priority: int = Field(default=2, ge=1, le=15)
    may_pre_empt: bool = True
    may_be_pre_empted: bool = False

    @field_validator("address")
    @classmethod
    def _multicast(cls, value: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
        if not value.is_multicast:
            raise ValueError(f"{value} is no multicast address")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(set(self.areas)) != len(self.areas):
            raise ValueError("a service area stands twice")
        if self.guaranteed_bit_rate > self.max_bit_rate:
            raise ValueError("guaranteed_bit_rate is above max_bit_rate")
        return self

    @property
    def plan(self) -> Plan:
        """What is wanted."""
        wish = Wish(
            tuple(self.areas),
            self.qci,
            self.max_bit_rate,
            self.guaranteed_bit_rate,
            self.priority,
            self.may_pre_empt,
            self.may_be_pre_empted,
        )
        return Plan(self.name, wish, self.address, self.port, frozenset(self.groups))
