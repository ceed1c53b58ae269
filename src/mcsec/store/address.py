"""Where a store is: a SQLite file, or a PostgreSQL database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from mcsec.errors import InvalidValue

_SQLITE = "sqlite:"
_POSTGRESQL = ("postgresql:", "postgres:")


@dataclass(frozen=True, slots=True)
class Address:
    """Either ``path``, the file of SQLite, or ``uri``, the connection URI of PostgreSQL as libpq takes it.

    The password is better left out of the URI: it is read from ``PGPASSWORD`` or from ``~/.pgpass``.
    """

    path: Path | None = None
    uri: str = ""

    @classmethod
    def parse(cls, text: str, directory: Path) -> Self:
        """``postgresql://...``, ``sqlite:PATH``, or a path alone. A relative path starts from ``directory``.

        :raises InvalidValue: nothing is there, or another kind of database.
        """
        if text.startswith(_POSTGRESQL):
            return cls(uri=text)
        name = text.removeprefix(_SQLITE)
        if not name or "://" in name:
            raise InvalidValue(
                f"{_without_password(text)!r} is no place for a store",
                code="store.address",
                hint="write postgresql://USER@HOST/NAME, sqlite:PATH, or a path",
            )
        return cls(path=directory / name)

    def __str__(self) -> str:
        return str(self.path) if self.path is not None else _without_password(self.uri)


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    _, at, host = parts.netloc.rpartition("@")
    # The query may name a password too, so nothing of it is shown.
    return f"{parts.scheme}://{(parts.username or '') + at}{host}{parts.path}" if parts.scheme else uri
