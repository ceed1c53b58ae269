"""Where the keys of a token issuer come from: a file, or an ``https://`` address."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcsec.errors import LocalError, PeerError
from mcsec.net.tokens import FetchJwks, read_jwks

_TIMEOUT = 5.0
_MAX_OCTETS = 1 << 18


def source(where: str, directory: Path, ca: str | None = None) -> FetchJwks:
    """A JWKS at an ``https://`` address (under the CA in file ``ca``, or those of the system), or in a file.

    :raises LocalError: another kind of address.
    """
    if where.startswith("https://"):
        return from_address(where, None if ca is None else directory / ca)
    if "://" in where:
        raise LocalError(f"{where}: keys of an issuer come by https:// or from a file", code="config")
    return from_file(directory / where)


def from_file(path: Path) -> FetchJwks:
    """The JWKS in a file, read again each time."""

    async def fetch() -> Mapping[str, Any]:
        return read_jwks(path.read_bytes())  # noqa: ASYNC240  # one small local file, every few minutes

    return fetch


def from_address(address: str, ca: Path | None) -> FetchJwks:
    """The JWKS at an ``https://`` address."""

    async def fetch() -> Mapping[str, Any]:
        import httpx2

        from mcsec.net.tls import client_context

        try:
            async with httpx2.AsyncClient(
                verify=client_context(ca), timeout=_TIMEOUT, follow_redirects=False
            ) as client:
                answer = await client.get(address)
                answer.raise_for_status()
        except httpx2.HTTPError as error:
            raise PeerError(f"{address}: {type(error).__name__}", code="token.jwks") from None
        if len(answer.content) > _MAX_OCTETS:
            raise PeerError(f"{address}: too large", code="token.jwks")
        return read_jwks(answer.content)

    return fetch
