"""The MCX server's section of a domain's configuration file (``mcsec.toml``, section ``[server]``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from ssl import SSLContext
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from mcsec.errors import InvalidValue
from mcsec.keys.key import Key
from mcsec.keys.rotation import OnRemoval, RotationPolicy
from mcsec.net.admin import socket_endpoint
from mcsec.net.config import ConfigError, Section, domain_of, read, section
from mcsec.net.https import Endpoint
from mcsec.net.issuer_config import IssuerSection
from mcsec.net.sip.peer import DEFAULT_PORT, Hop, Trust
from mcsec.net.sip.registrar import RegistrarSettings
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.transport import TransportSettings
from mcsec.net.tls import believe, client_context
from mcsec.net.tokens import ID_CLAIMS
from mcsec.net.vouching import Vouching, authorities
from mcsec.server.answers import RetryPolicy
from mcsec.server.bearers.config import BearerSection, Mb2Section
from mcsec.server.calls.config import EVERYBODY, CallsSection, GroupSection, PartnerSection
from mcsec.server.calls.config import settings as call_settings
from mcsec.server.calls.groups import GroupTable
from mcsec.server.calls.service import CallSettings
from mcsec.server.delivering import DeliverySettings
from mcsec.server.function import FunctionSettings
from mcsec.server.gms_access import GmsSection
from mcsec.server.service import ServiceSettings
from mcsec.server.subscribers import Subscribers
from mcsec.store.config import StoreConfig
from mcsec.store.config import of as store_of
from mcsec.store.kek import Kek
from mcsec.wire.codecs import KNOWN, SPOKEN

Seconds = Annotated[float, Field(ge=0)]


def _codec(name: str) -> str:
    if name not in KNOWN:
        raise ValueError(f"{name!r} is none of {', '.join(KNOWN)}")
    return name


class KmsSection(Section):
    """The KMS of the server and its clients. ``token``: where the server's access token is: ``file:`` or ``env:``."""

    address: str = "https://127.0.0.1:8443"
    uri: str = ""
    ca: str = "tls/ca.pem"
    token: str = "file:server.token"  # noqa: S105  # where it is, not what it is
    protection: bool = True


class DeliverySection(Section):
    """How keys are delivered; the comments of ``docs/server.md`` say what each name means."""

    in_flight: int = Field(default=512, ge=1, le=100_000)
    batch: int = Field(default=128, ge=1, le=4096)
    lease: float = Field(default=90.0, ge=33.0)
    retry_first: float = Field(default=2.0, gt=0)
    retry_most: float = Field(default=600.0, gt=0)
    attempts: int = Field(default=8, ge=1, le=100)
    rate: float = Field(default=0.0, ge=0)


class RotationSection(Section):
    """Times of a rotation, in seconds."""

    switch_after: Seconds = 30.0
    grace: Seconds = 60.0
    renew_before: Seconds = 600.0
    on_removal: OnRemoval = OnRemoval.SERVE_UNICAST


class ServerSection(Section):
    """Everything that an MCX server is told."""

    psi: str = ""
    mdsi: str = ""
    listen: list[str] = ["tls:127.0.0.1:5061"]
    certificate: str = "tls/server.pem"
    key: str = "tls/server.key"
    ca: str = "tls/ca.pem"
    client_certificates: bool = False
    advertised: str = ""
    database: str = "server.db"
    kek: str = "file:kek"
    core: str = ""
    trusted_names: list[str] = []
    trusted_addresses: list[str] = []
    trust_datagrams: bool = False
    digest_users: str = ""
    digest_realm: str = ""
    protection: bool = True
    csk_required: bool = False
    most_groups: int = Field(default=50, ge=0, le=1000)
    default_musik: bool = True
    key_lifetime: float = Field(default=86_400.0, ge=60)
    csk_lifetime: float = Field(default=0.0, ge=0)
    codecs: Annotated[list[Annotated[str, AfterValidator(_codec)]], Field(min_length=1)] = [
        codec.name for codec in SPOKEN
    ]
    scopes: list[str] = ["3gpp:mc:ptt_service"]
    audience: list[str] = []
    id_claims: list[str] = list(ID_CLAIMS)
    local_issuer: str = "issuer.jwks.json"
    kms: KmsSection = KmsSection()
    issuers: list[IssuerSection] = []
    admin: str = "unix:server.sock"
    delivery: DeliverySection = DeliverySection()
    rotation: RotationSection = RotationSection()
    groups: list[GroupSection] = []
    calls: CallsSection = CallsSection()
    partners: list[PartnerSection] = []
    gms: GmsSection | None = None
    mb2: Mb2Section | None = None
    bearers: list[BearerSection] = []

    @model_validator(mode="after")
    def _release_13_is_without_musik(self) -> Self:
        for group in self.groups:
            if group.release_13 and (self.default_musik or group.musik == "own"):
                # A MuSiK always comes first (TS 24.380 13.1), so the MKFC would never be used.
                raise ValueError(
                    f"{group.id} is in Release 13 mode and has a MuSiK: set default_musik = false, and musik = "
                    '"own" for the groups that are to have one'
                )
        return self


class Configuration:
    """A server's configuration, read: its section, the domain's name, and the directory that paths start from."""

    def __init__(self, domain: str, directory: Path, section: ServerSection, store: StoreConfig) -> None:
        self.domain, self.directory, self.server, self.store = domain, directory, section, store
        self._members = {group.id: group.members for group in section.groups}

    @classmethod
    def load(cls, path: Path) -> Configuration:
        """The configuration in a file; without a section ``[server]`` everything has its default.

        :raises ConfigError: it cannot be read, or says something that is not understood.
        """
        content = read(path)
        name = domain_of(content, path)
        found = section(ServerSection, content.get("server", {}), f"{path}: [server] ")
        directory = path.parent.absolute()
        return cls(name, directory, found, store_of(content, directory))

    def path(self, name: str) -> Path:
        """A path of the configuration."""
        return self.directory / name

    @property
    def admin(self) -> Endpoint:
        """Where operators reach the server.

        :raises ConfigError: no socket file is named.
        """
        try:
            return socket_endpoint(self.server.admin, self.directory)
        except InvalidValue as error:
            raise ConfigError(f"[server] admin: {error}") from None

    def kek(self) -> Kek:
        """The key-encryption key.

        :raises WrapError: it cannot be had.
        """
        return self.store.kek()

    @property
    def mdsi(self) -> str:
        """The server's identity under its KMS (MCX server domain security identifier)."""
        return self.server.mdsi or f"mcx.{self.domain}"

    @property
    def kms_uri(self) -> str:
        """The URI of the KMS."""
        return self.server.kms.uri or f"kms.{self.domain}"

    def listen(self) -> list[tuple[str, str, int]]:
        """Transport, host and port of each place to listen at.

        :raises ConfigError: one is none.
        """
        return [self._hop(text) for text in self.server.listen]

    def may_join(self, user: str, group: str) -> bool:
        """Whether the configuration lets a user into a group; a group that it does not name is nobody's."""
        members = self._members.get(group, [])
        return members == EVERYBODY or user in members

    def trusting(self, context: SSLContext) -> SSLContext:
        """``context``, which believes the authorities of partners too.

        :raises TlsError: a file cannot be used.
        """
        for partner in self.server.partners:
            if partner.ca:
                believe(context, self.path(partner.ca))
        return context

    def vouching(self) -> Vouching:
        """Authorities of partners, which are believed for the servers of those partners alone.

        :raises TlsError: a file cannot be used.
        """
        limited: dict[bytes, frozenset[str]] = {}
        own = authorities(self.path(self.server.ca)) if self.server.partners else frozenset()
        for partner in self.server.partners:
            for authority in authorities(self.path(partner.ca)) - own if partner.ca else ():
                limited[authority] = limited.get(authority, frozenset()) | {partner.identity.lower()}
        return Vouching(limited)

    def gmses(self) -> Iterator[tuple[str, GmsSection, tuple[str, ...]]]:
        """Every GMS that MKFCs come from: its domain, how it is reached, and its groups in Release 13 mode.

        :raises ConfigError: a group's home has none.
        """
        named = {partner.domain: partner.gms for partner in self.server.partners}
        homes: dict[str, list[str]] = {}
        for group in self.server.groups:
            if group.release_13:
                homes.setdefault(group.home or self.domain, []).append(group.id)
        for home, groups in homes.items():
            section = self.server.gms if home == self.domain else named.get(home)
            if section is None:
                raise ConfigError(
                    f"[[server.groups]] {groups[0]} is in Release 13 mode, and no GMS of {home} is configured",
                    hint="[server.gms] for our own domain, [server.partners.gms] below the partner for another one",
                )
            yield home, section, tuple(groups)

    def groups(self) -> GroupTable:
        """The groups, as calls see them."""
        floor = self.server.calls.floor.policy
        return GroupTable(group.group(self.domain, floor) for group in self.server.groups)

    def calls(self, spks: Mapping[str, Sequence[Key]]) -> CallSettings:
        """How calls are set up; ``spks`` are those that are agreed, by the partner's MDSI.

        :raises LocalError: a partner cannot be one.
        """
        section = self.server
        return call_settings(section.calls, section.partners, self.domain, spks, self._hop)

    def subscribers(self) -> Subscribers | None:
        """Who registers by digest authentication; None: nobody is asked for it.

        :raises SubscriberError: the file cannot be used.
        """
        if not self.server.digest_users:
            return None
        return Subscribers.load(self.path(self.server.digest_users), self.digest_realm)

    @property
    def digest_realm(self) -> str:
        """The realm that credentials are for."""
        return self.server.digest_realm or self.domain

    def service(self) -> ServiceSettings:
        """How the service is set up.

        :raises ConfigError: an address is none. :raises TlsError: the CA file cannot be used.
        """
        section = self.server
        delivery, rotation = section.delivery, section.rotation
        core = Hop(*self._hop(section.core)) if section.core else None
        try:
            trust = Trust(
                frozenset(name.lower() for name in section.trusted_names),
                tuple(ip_network(address) for address in section.trusted_addresses),
                section.trust_datagrams,
            )
        except ValueError as error:
            raise ConfigError(f"[server] trusted_addresses: {error}") from None
        uses_tls = any(transport == "TLS" for transport, _, _ in self.listen())
        tls = None
        if uses_tls or section.partners or (core and core.transport == "TLS"):
            # A partner wants to see who we are; nobody else asks.
            own = {"certificate": self.path(section.certificate), "key": self.path(section.key)}
            tls = self.trusting(client_context(self.path(section.ca), **(own if section.partners else {})))
        return ServiceSettings(
            FunctionSettings(
                self.domain,
                section.psi or f"sip:mcptt@{self.domain}",
                frozenset(section.scopes),
                section.protection,
                section.csk_required,
                section.most_groups,
                section.default_musik,
                section.key_lifetime,
                section.csk_lifetime or None,
                tuple(KNOWN[name] for name in dict.fromkeys(section.codecs)),
            ),
            EndpointSettings(
                outbound=core,
                trust=trust,
                client_tls=tls,
                advertised=section.advertised or None,
                transport=TransportSettings(vouching=self.vouching()),
            ),
            RegistrarSettings(),
            DeliverySettings(
                delivery.in_flight,
                delivery.batch,
                delivery.lease,
                RetryPolicy(delivery.retry_first, delivery.retry_most, delivery.attempts),
                delivery.rate or None,
            ),
            RotationPolicy(rotation.switch_after, rotation.grace, rotation.renew_before, rotation.on_removal),
        )

    def _hop(self, text: str) -> tuple[str, str, int]:
        transport, _, rest = text.partition(":")
        host, _, port = rest.rpartition(":")
        if transport.upper() not in DEFAULT_PORT or not host or not port.isdecimal() or int(port) > 65_535:
            raise ConfigError(
                f"[server] {text!r} is no place for SIP",
                hint="write tls:HOST:PORT, tcp:HOST:PORT or udp:HOST:PORT",
            )
        return transport.upper(), host.strip("[]"), int(port)
