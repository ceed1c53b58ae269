"""Configuration of a KMS: sections ``[domain]`` and ``[kms]`` of a domain's file.

Paths are relative to the directory of the file. Unknown names are refused, so that a misspelt switch is noticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mcsec.kms.access import DEFAULT_SCOPES, AccessRules
from mcsec.net.config import ConfigError, Section, domain_of, read, section
from mcsec.net.https import Endpoint
from mcsec.net.issuer_config import IssuerSection, TokenSection, local_name
from mcsec.store.kek import Kek
from mcsec.wire.xenc import Form

Seconds = Annotated[int, Field(ge=0)]


class TokenConfig(TokenSection):
    """What a token must be."""

    scopes: list[str] = list(DEFAULT_SCOPES)


class KmsConfig(Section):
    """Everything that a KMS is told. The comments of ``mcsec.toml`` say what each name means."""

    uri: str = Field(min_length=1)
    listen: str = "127.0.0.1:0"
    certificate: str = "tls/kms.pem"
    key: str = "tls/kms.key"
    database: str = "kms.db"
    kek: str = "file:kek"
    key_period: int = Field(default=2_592_000, ge=60, le=1 << 40)
    key_offset: Seconds = 0
    provision_ahead: Seconds = 604_800
    serves: list[str] = []
    protection: bool = True
    sign_certificates: bool = False
    bootstrap: Literal["first-init", "enrolled"] = "first-init"
    clients_per_user: int = Field(default=8, ge=1, le=100)
    transport_key_lifetime: int = Field(default=7_776_000, ge=3600)
    wrap: Form = Form.NESTED
    time_window: int = Field(default=300, ge=1, le=3600)
    replay_memory: int = Field(default=200_000, ge=1000)
    admin: str = "unix:kms.sock"
    operations: str = ""
    local_issuer: bool = True
    tokens: TokenConfig = TokenConfig()
    issuers: list[IssuerSection] = []
    servers: dict[str, list[str]] = {}


class Configuration(BaseModel):
    """A KMS's configuration, read: its own section, the domain's name, and the directory that paths start from."""

    model_config = ConfigDict(frozen=True)

    domain: str
    directory: Path
    kms: KmsConfig

    def path(self, name: str) -> Path:
        """A path of the configuration."""
        return self.directory / name

    def kek(self) -> Kek:
        """The key-encryption key.

        :raises WrapError: it cannot be had.
        """
        return Kek.load(self.kms.kek, directory=self.directory)

    def endpoint(self, text: str) -> Endpoint:
        """Where to listen."""
        endpoint = Endpoint.parse(text)
        return endpoint if endpoint.file is None else Endpoint(file=self.path(str(endpoint.file)))

    @property
    def issuer_name(self) -> str:
        """``iss`` of the domain's own issuer."""
        return local_name(self.domain)

    def access(self) -> AccessRules:
        """Who may ask for what."""
        return AccessRules(
            domains=tuple(domain.lower() for domain in (self.domain, *self.kms.serves)),
            servers={subject: tuple(ids) for subject, ids in self.kms.servers.items()},
            scopes=tuple(self.kms.tokens.scopes),
        )


def load(path: Path) -> Configuration:
    """The configuration in a file.

    :raises ConfigError: it cannot be read, or says something that is not understood.
    """
    content = read(path)
    name = domain_of(content, path)
    if "kms" not in content:
        raise ConfigError(f"{path}: a section [kms] is needed")
    kms = section(KmsConfig, content["kms"], f"{path}: [kms] ")
    if kms.key_offset >= kms.key_period:
        raise ConfigError(f"{path}: [kms] key_offset must be below key_period")
    if kms.sign_certificates and not kms.protection:
        raise ConfigError(
            f"{path}: [kms] sign_certificates needs protection: it is the integrity key that signs"
        )
    return Configuration(domain=name, directory=path.parent.absolute(), kms=kms)
