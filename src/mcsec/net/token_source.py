"""An entity's own access token: ``file:PATH`` or ``env:NAME``, read again each time that it is needed."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError

TokenSource = Callable[[], Awaitable[Secret]]
"""Gives an access token that is good now; asked again after a 401."""


class NoToken(LocalError):
    """There is no access token where the configuration says; the text says where."""

    code = "config"


def read_token(source: str, directory: Path, section: str, identity: str) -> Secret:
    """The access token of ``identity``.

    :param directory: paths start from it. :param section: of the configuration, for people.
    :raises NoToken: there is none.
    """
    kind, _, name = source.partition(":")
    if kind == "env" and name:
        found = os.environ.get(name, "")
    elif kind == "file" and name:
        file = directory / name
        try:
            found = file.read_text()
        except OSError as error:
            raise NoToken(
                f"{file}: {error.strerror}",
                hint=f"put a token for {identity} there: `mcsec token issue --user {identity}`",
            ) from None
    else:
        raise NoToken(f"{section} token is file:PATH or env:NAME")
    if not found.strip():
        raise NoToken(f"{section} {source} holds no token")
    return Secret(found.strip().encode())


def bearer(token: Secret) -> dict[str, str]:
    """The header that shows it (RFC 6750 2.1). For the request only: whoever keeps it keeps the token in clear."""
    return {"authorization": f"Bearer {token.reveal().decode()}"}
