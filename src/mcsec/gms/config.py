"""Configuration of a GMS: sections ``[domain]`` and ``[gms]`` of a domain's file.

Paths are relative to the directory of the file. Unknown names are refused, so that a misspelt switch is noticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mcsec.errors import InvalidValue
from mcsec.gms.access import DEFAULT_SCOPES, AccessRules
from mcsec.gms.planning import KeyRules
from mcsec.net.config import ConfigError, Section, domain_of, read, section
from mcsec.net.https import Endpoint
from mcsec.net.issuer_config import JWKS_FILE, IssuerSection, TokenSection, issuers, local_name
from mcsec.net.sip.peer import DEFAULT_PORT, Hop
from mcsec.net.tokens import Issuer
from mcsec.store.kek import Kek

Seconds = Annotated[float, Field(ge=0)]


class BelievedSection(IssuerSection):
    """An issuer that is believed for the users of ``domains`` (none: of this domain)."""

    domains: list[str] = []


class GmsTokenSection(TokenSection):
    """What a token must be."""

    scopes: list[str] = list(DEFAULT_SCOPES)


class KmsSection(Section):
    """The KMS of the GMS. ``token``: where the GMS's access token is: ``file:`` or ``env:``."""

    address: str = "https://127.0.0.1:8443"
    uri: str = ""
    ca: str = "tls/ca.pem"
    token: str = "file:gms.token"  # noqa: S105  # where it is, not what it is
    protection: bool = True


class KeySection(Section):
    """Times of group keys, in seconds; see :class:`KeyRules`."""

    lifetime: float = Field(default=2_592_000.0, ge=0)
    renew_before: Seconds = 86_400.0
    overlap: Seconds = 300.0
    revoked_for: Seconds = 604_800.0
    rotate_on_join: bool = False


class PushSection(Section):
    """Keys sent by SIP. ``core``: the next hop; ``routes``: others, by domain. Nothing here: members only fetch."""

    core: str = ""
    routes: dict[str, str] = {}
    ca: str = "tls/ca.pem"


class GmsSection(Section):
    """Everything that a GMS is told. The comments of ``mcsec.toml`` say what each name means."""

    uri: str = ""
    psi: str = ""
    listen: str = "127.0.0.1:8444"
    certificate: str = "tls/gms.pem"
    key: str = "tls/gms.key"
    database: str = "gms.db"
    kek: str = "file:kek"
    admin: str = "unix:gms.sock"
    operations: str = ""
    administrators: list[str] = []
    serves: list[str] = []
    most_groups: int = Field(default=10_000, ge=1, le=1_000_000)
    local_issuer: bool = True
    servers: dict[str, str] = {}
    kms: KmsSection = KmsSection()
    keys: KeySection = KeySection()
    tokens: GmsTokenSection = GmsTokenSection()
    issuers: list[BelievedSection] = []
    push: PushSection = PushSection()


class Configuration(BaseModel):
    """A GMS's configuration, read: its section, the domain's name, and the directory that paths start from."""

    model_config = ConfigDict(frozen=True)

    domain: str
    directory: Path
    gms: GmsSection

    @property
    def uri(self) -> str:
        """The GMS's identity under its KMS."""
        return self.gms.uri or f"gms.{self.domain}"

    @property
    def psi(self) -> str:
        """The public service identity that it sends SIP messages as."""
        return self.gms.psi or f"sip:gms@{self.domain}"

    @property
    def kms_uri(self) -> str:
        """The URI of its KMS."""
        return self.gms.kms.uri or f"kms.{self.domain}"

    @property
    def domains(self) -> tuple[str, ...]:
        """Whose groups are at home here."""
        return tuple(name.lower() for name in (self.domain, *self.gms.serves))

    def path(self, name: str) -> Path:
        """A path of the configuration."""
        return self.directory / name

    def kek(self) -> Kek:
        """The key-encryption key.

        :raises WrapError: it cannot be had.
        """
        return Kek.load(self.gms.kek, directory=self.directory)

    def endpoint(self, text: str) -> Endpoint:
        """Where to listen."""
        endpoint = Endpoint.parse(text)
        return endpoint if endpoint.file is None else Endpoint(file=self.path(str(endpoint.file)))

    def issuers(self) -> list[Issuer]:
        """Every issuer that tokens are taken from, for this GMS as audience only."""
        own = self.path(JWKS_FILE) if self.gms.local_issuer else None
        return issuers(self.gms.issuers, self.directory, (self.uri,), self.domain, own)

    def access(self) -> AccessRules:
        """Who may ask for what."""
        believed = {
            one.issuer: tuple(name.lower() for name in one.domains) or self.domains
            for one in self.gms.issuers
        }
        if self.gms.local_issuer:
            believed[local_name(self.domain)] = self.domains
        return AccessRules(
            domains=self.domains,
            issuers=believed,
            servers=self.gms.servers,
            administrators=frozenset(self.gms.administrators),
            scopes=tuple(self.gms.tokens.scopes),
        )

    def key_rules(self) -> KeyRules:
        """How keys live."""
        keys = self.gms.keys
        return KeyRules(keys.lifetime, keys.renew_before, keys.overlap, keys.revoked_for, keys.rotate_on_join)

    def routes(self) -> dict[str, Hop]:
        """The next hop for the users of each domain; under the empty name, for all others.

        :raises ConfigError: an address is none.
        """
        texts = dict(self.gms.push.routes)
        if self.gms.push.core:
            texts[""] = self.gms.push.core
        return {domain.lower(): _hop(text) for domain, text in texts.items()}


def _hop(text: str) -> Hop:
    transport, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    host, _, name = host.partition("/")
    try:
        if transport.upper() not in DEFAULT_PORT or not host or not port.isdecimal():
            raise InvalidValue("no next hop")
        return Hop(transport.upper(), host.strip("[]"), int(port), name or None)
    except InvalidValue:
        raise ConfigError(
            f"[gms.push] {text!r} is no place for SIP",
            hint="write tls:HOST:PORT or, where the certificate has another name, tls:HOST/NAME:PORT",
        ) from None


def load(path: Path) -> Configuration:
    """The configuration in a file; without a section ``[gms]`` everything has its default.

    :raises ConfigError: it cannot be read, or says something that is not understood.
    """
    content = read(path)
    name = domain_of(content, path)
    found_section = section(GmsSection, content.get("gms", {}), f"{path}: [gms] ")
    found = Configuration(domain=name, directory=path.parent.absolute(), gms=found_section)
    found.routes()
    return found
