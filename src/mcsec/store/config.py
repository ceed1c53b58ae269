"""Where the stores of a domain are: section ``[store]`` of its file, and what its entities say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcsec.net.config import Section, read, section
from mcsec.store.address import Address
from mcsec.store.kek import Kek

#: The database of an entity where its section names none.
_DATABASES = {"server": "server.db", "kms": "kms.db", "gms": "gms.db"}


class StoreSection(Section):
    """``url``: the store of the MCX servers, instead of ``[server] database``; ``seen``: what this machine knows of it.

    See :mod:`mcsec.store.witness` for ``seen``.
    """

    url: str = ""
    seen: str = ""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The store of one entity: where it is, where its wrapping key is, and the file that says how far it was seen."""

    entity: str
    domain: str
    address: Address
    kek_source: str
    directory: Path
    seen: Path

    def kek(self) -> Kek:
        """The key-encryption key.

        :raises WrapError: it cannot be had.
        """
        return Kek.load(self.kek_source, directory=self.directory)


def of(content: Mapping[str, Any], directory: Path, entity: str = "server") -> StoreConfig:
    """The store of an entity, from what a configuration file holds.

    :raises ConfigError: the section says something that is not understood.
    :raises InvalidValue: the address is none.
    """
    stored = section(StoreSection, content.get("store", {}), "[store] ")
    own = content.get(entity, {})
    own = own if isinstance(own, dict) else {}
    domain = content.get("domain", {})
    named = str(own.get("database", _DATABASES[entity]))
    # What a KMS and a GMS keep is nobody else's business, so they never share a database with the servers.
    text = stored.url if entity == "server" and stored.url else named
    address = Address.parse(text, directory)
    beside = f"{address.path.name if address.path else 'store'}-seen"
    return StoreConfig(
        entity,
        str(domain.get("name", "")) if isinstance(domain, dict) else "",
        address,
        str(own.get("kek", "file:kek")),
        directory,
        (address.path.parent if address.path else directory) / beside
        if not stored.seen or entity != "server"
        else directory / stored.seen,
    )


def load(path: Path, entity: str = "server") -> StoreConfig:
    """The store of an entity, from a domain's file.

    :raises ConfigError: it cannot be read, or says something that is not understood.
    """
    return of(read(path), path.parent.absolute(), entity)
