"""Configuration of a KMS: sections ``[domain]`` and ``[kms]`` of a domain's file.

Paths are relative to the directory of the file. Unknown names are refused, so that a misspelt switch is noticed.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcsec.errors import LocalError
from mcsec.kms.access import DEFAULT_SCOPES, AccessRules
from mcsec.net.https import Endpoint
from mcsec.net.tokens import ID_CLAIMS
from mcsec.store.kek import Kek
from mcsec.wire.xenc import Form

Seconds = Annotated[int, Field(ge=0)]


class ConfigError(LocalError):
    """The configuration cannot be used; the text says where."""

    code = "config"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class IssuerConfig(_Section):
    """An OpenID Connect issuer that is believed.

    ``jwks`` is an ``https://`` address, or the path of a file. ``ca`` is the file of the CA of that address.
    """

    issuer: str = Field(min_length=1)
    jwks: str = Field(min_length=1)
    audience: list[str] | None = None
    ca: str | None = None


class TokenConfig(_Section):
    """What a token must be."""

    scopes: list[str] = list(DEFAULT_SCOPES)
    id_claims: list[str] = list(ID_CLAIMS)
    algorithms: list[Literal["ES256", "RS256", "PS256", "EdDSA"]] = ["ES256", "RS256", "PS256", "EdDSA"]
    clock_skew: Seconds = Field(default=60, le=600)


class KmsConfig(_Section):
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
    issuers: list[IssuerConfig] = []
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
        return f"https://id.{self.domain}"

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
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}", hint="make one with `mcsec init DIR --domain NAME`"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    domain = content.get("domain", {})
    name = domain.get("name") if isinstance(domain, dict) else None
    if not isinstance(name, str) or not name or not isinstance(content.get("kms"), dict):
        raise ConfigError(f"{path}: sections [domain] with a name, and [kms], are needed")
    try:
        kms = KmsConfig.model_validate(content["kms"])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{path}: [kms] {where}: {first['msg']}") from None
    if kms.key_offset >= kms.key_period:
        raise ConfigError(f"{path}: [kms] key_offset must be below key_period")
    if kms.sign_certificates and not kms.protection:
        raise ConfigError(
            f"{path}: [kms] sign_certificates needs protection: it is the integrity key that signs"
        )
    return Configuration(domain=name, directory=path.parent.absolute(), kms=kms)
