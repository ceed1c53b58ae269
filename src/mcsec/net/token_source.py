"""Where an entity's own access token is: ``file:PATH`` or ``env:NAME``. Read again each time that it is needed."""

from __future__ import annotations

import os
from pathlib import Path

from mcsec.errors import LocalError


class NoToken(LocalError):
    """There is no access token where the configuration says; the text says where."""

    code = "config"


def read_token(source: str, directory: Path, section: str, identity: str) -> str:
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
    return found.strip()
