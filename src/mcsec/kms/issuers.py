"""Whose access tokens a KMS takes, and the domain's own issuer: its key under the KEK, its JWKS beside it."""

from __future__ import annotations

from mcsec.kms.config import Configuration
from mcsec.net.issuer import LocalIssuer
from mcsec.net.issuer_config import JWKS_FILE, issuers
from mcsec.net.tokens import Issuer
from mcsec.store.kek import Kek, WrapError

_KEY_FILE = "issuer.key"
_WRAP_NAME = "token-issuer"


def issuers_of(config: Configuration) -> list[Issuer]:
    """Every issuer that tokens are taken from."""
    own = config.path(JWKS_FILE) if config.kms.local_issuer else None
    return issuers(config.kms.issuers, config.directory, (config.kms.uri,), config.domain, own)


def create_local(config: Configuration, kek: Kek) -> LocalIssuer:
    """Makes the domain's own issuer: its key in a file under the KEK, its JWKS beside it."""
    import json
    import os

    issuer = LocalIssuer.generate(config.issuer_name)
    descriptor = os.open(config.path(_KEY_FILE), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(kek.wrap(issuer.export(), _WRAP_NAME).hex() + "\n")
    config.path(JWKS_FILE).write_text(json.dumps(issuer.jwks(), indent=2) + "\n")
    return issuer


def open_local(config: Configuration) -> LocalIssuer:
    """The domain's own issuer.

    :raises WrapError: there is none, or it is not under this KEK.
    """
    path = config.path(_KEY_FILE)
    try:
        blob = bytes.fromhex(path.read_text())
    except (OSError, ValueError):
        raise WrapError(
            f"{path}: no key of a token issuer", hint="use tokens of the issuer in [[kms.issuers]]"
        ) from None
    return LocalIssuer.from_secret(config.issuer_name, config.kek().unwrap(blob, _WRAP_NAME))


def local_jwks(config: Configuration) -> bytes | None:
    """The JWKS of the domain's own issuer; None where there is none."""
    path = config.path(JWKS_FILE)
    return path.read_bytes() if config.kms.local_issuer and path.exists() else None
