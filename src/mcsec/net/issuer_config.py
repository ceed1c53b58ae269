"""Token issuers as a configuration names them: a JWKS at an address or in a file, or the domain's own issuer."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from mcsec.net import jwks
from mcsec.net.config import Section
from mcsec.net.tokens import ID_CLAIMS, Issuer

Algorithm = Literal["ES256", "RS256", "PS256", "EdDSA"]

JWKS_FILE = "issuer.jwks.json"
"""The keys of the domain's own issuer, in the domain's directory."""


class IssuerSection(Section):
    """An OpenID Connect issuer that is believed.

    ``jwks`` is an ``https://`` address, or the path of a file. ``ca`` is the file of the CA of that address.
    """

    issuer: str = Field(min_length=1)
    jwks: str = Field(min_length=1)
    audience: list[str] | None = None
    ca: str | None = None

    def believed(self, directory: Path, audience: tuple[str, ...]) -> Issuer:
        """The issuer; ``audience`` unless it has its own. Paths start from ``directory``.

        :raises LocalError: its keys are at no such address.
        """
        return Issuer(
            self.issuer, tuple(self.audience or audience), jwks.source(self.jwks, directory, self.ca)
        )


class TokenSection(Section):
    """What a token must be; ``scopes`` are for each entity to say."""

    id_claims: list[str] = list(ID_CLAIMS)
    algorithms: list[Algorithm] = ["ES256", "RS256", "PS256", "EdDSA"]
    clock_skew: int = Field(default=60, ge=0, le=600)


def local_name(domain: str) -> str:
    """``iss`` of the domain's own issuer."""
    return f"https://id.{domain}"


def issuers(
    sections: Iterable[IssuerSection],
    directory: Path,
    audience: tuple[str, ...],
    domain: str,
    own: Path | None,
) -> list[Issuer]:
    """Every issuer that tokens are taken from; ``own``: the JWKS of the domain's own, which counts where it is there.

    :raises LocalError: the keys of one are at no such address.
    """
    found = [one.believed(directory, audience) for one in sections]
    if own is not None and own.exists():
        found.append(Issuer(local_name(domain), audience, jwks.from_file(own)))
    return found
