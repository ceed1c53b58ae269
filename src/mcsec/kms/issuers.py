"""Token issuers as the configuration names them: a JWKS at an address, in a file, or of the domain's own issuer."""

from __future__ import annotations

from mcsec.kms.config import Configuration, IssuerConfig
from mcsec.net import jwks
from mcsec.net.issuer import LocalIssuer
from mcsec.net.tokens import Issuer
from mcsec.store.kek import Kek, WrapError

_KEY_FILE = "issuer.key"
_JWKS_FILE = "issuer.jwks.json"
_WRAP_NAME = "token-issuer"


def issuers_of(config: Configuration) -> list[Issuer]:
    """Every issuer that tokens are taken from."""
    found = [_issuer(config, issuer) for issuer in config.kms.issuers]
    if config.kms.local_issuer and config.path(_JWKS_FILE).exists():
        found.append(Issuer(config.issuer_name, (config.kms.uri,), jwks.from_file(config.path(_JWKS_FILE))))
    return found


def _issuer(config: Configuration, issuer: IssuerConfig) -> Issuer:
    audience = tuple(issuer.audience) if issuer.audience else (config.kms.uri,)
    return Issuer(issuer.issuer, audience, jwks.source(issuer.jwks, config.directory, issuer.ca))


def create_local(config: Configuration, kek: Kek) -> LocalIssuer:
    """Makes the domain's own issuer: its key in a file under the KEK, its JWKS beside it."""
    import json
    import os

    issuer = LocalIssuer.generate(config.issuer_name)
    descriptor = os.open(config.path(_KEY_FILE), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(kek.wrap(issuer.export(), _WRAP_NAME).hex() + "\n")
    config.path(_JWKS_FILE).write_text(json.dumps(issuer.jwks(), indent=2) + "\n")
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
    path = config.path(_JWKS_FILE)
    return path.read_bytes() if config.kms.local_issuer and path.exists() else None
