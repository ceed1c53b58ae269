"""Where a channel gets its SRTCP indexes: reserved before use, so that none is used twice under one key and SSRC.

The engine does no I/O, so a port answers either at once (:class:`MemoryIndexes`) or later (:class:`StoredIndexes`):
then :class:`IndexesWanted` says what the shell has to reserve durably before it asks the engine again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mcsec.errors import LocalError
from mcsec.ids import KeyId
from mcsec.keys.reservation import Block, Reserve, reserve


class IndexesWanted(LocalError):
    """Nothing was sent: ``wishes`` must be reserved and granted first; then the same call is made again."""

    code = "keys.indexes-wanted"
    clause = "RFC 3711 9.1"
    hint = "reserve the indexes in the store, then send again"

    def __init__(self, wishes: tuple[Reserve, ...]) -> None:
        super().__init__(f"{len(wishes)} senders have no packet index left that is reserved")
        self.wishes = wishes


class Indexes(Protocol):
    """Reserves indexes."""

    def ask(self, wish: Reserve) -> Block | None:
        """The block for ``wish``; None: it comes later, by the shell."""


class MemoryIndexes:
    """Marks in memory: for keys that live no longer than this process."""

    def __init__(self) -> None:
        self._marks: dict[tuple[KeyId, int], int] = {}

    def ask(self, wish: Reserve) -> Block:
        """A block above all that were given for the same key and SSRC."""
        place = (wish.key_id, wish.ssrc)
        block = reserve(self._marks.get(place, 0), wish)
        self._marks[place] = block.last
        return block


class StoredIndexes:
    """Remembers what is wanted until the shell has reserved it in the store.

    ``wishes`` that are not urgent are made while indexes are left, so that sending need not wait.
    """

    def __init__(self) -> None:
        self._wishes: list[Reserve] = []

    def ask(self, wish: Reserve) -> None:
        """Remember the wish; the shell takes it by :meth:`take`."""
        self._wishes.append(wish)

    @property
    def wanting(self) -> bool:
        """Whether something is to be reserved."""
        return bool(self._wishes)

    def take(self) -> tuple[Reserve, ...]:
        """What is to be reserved, once."""
        wishes, self._wishes = tuple(self._wishes), []
        return wishes

    def give_back(self, wishes: Iterable[Reserve]) -> None:
        """The store did not reserve these."""
        self._wishes[:0] = wishes
