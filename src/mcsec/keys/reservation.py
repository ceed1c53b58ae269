"""No SRTCP index is used twice under one key and SSRC, whatever crashes (design 5.4).

With AES-GCM the index is the nonce: one repetition gives away what two packets say and lets anyone forge
more. So a sender uses no index that was not reserved before, durably. A block once reserved is never reserved
again: after a crash its unused rest is lost, and the next block starts above it.

Sans-I/O: :meth:`IndexRange.wish` says what to reserve; the shell asks the store, which in one transaction
reads the mark of (key, SSRC), calls :func:`reserve`, writes ``block.last`` as the new mark and commits; only
then
:meth:`IndexRange.grant` lets the indexes be used. The range feeds ``SrtcpSender(first=, last=)`` and
``extend(last)``.

Three things the mark cannot see are ruled out elsewhere. Two processes: each start draws its own SSRC
(:func:`draw_ssrc`). A database restored from a backup holds marks of the past: the new SSRC of the next start
keeps its indexes apart, and the keys of before should be replaced (``docs/keys/reservation.md``). Another key
on the same SSRC: receivers may keep one window for an SSRC (RFC 3711 3.4), so pass ``above`` and the indexes
count on.
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from dataclasses import dataclass

from mcsec.errors import IndexExhausted, InvalidValue, WrongState
from mcsec.ids import KeyId

__all__ = ["FIRST_INDEX", "LAST_INDEX", "Block", "IndexRange", "Reserve", "draw_ssrc", "reserve"]

FIRST_INDEX = 1
"""The first index that a sender uses. The mark 0 says that none was reserved yet."""
LAST_INDEX = (1 << 31) - 1
"""The last one (RFC 3711 3.4: 31 bits)."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """A wish for ``size`` more indexes under (``key_id``, ``ssrc``), all of them above ``above``."""

    key_id: KeyId
    ssrc: int
    size: int
    above: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """The indexes ``first`` to ``last``, reserved for one sender."""

    key_id: KeyId
    ssrc: int
    first: int
    last: int


def reserve(mark: int, wish: Reserve) -> Block:
    """The block that answers ``wish``, where ``mark`` is the last index ever reserved for its key and SSRC
    (0: none).

    The caller writes ``block.last`` as the new mark, in the same transaction in which it read ``mark``.

    :raises IndexExhausted: no index is left; take another SSRC or replace the key.
    """
    if mark < 0 or wish.size < 1:
        raise InvalidValue("a mark is not negative, and a block is not empty")
    first = max(mark, wish.above) + 1
    if first > LAST_INDEX:
        raise IndexExhausted(
            f"every SRTCP index under key {wish.key_id} and SSRC {wish.ssrc:08x} is reserved",
            hint="take another SSRC or replace the key",
        )
    return Block(wish.key_id, wish.ssrc, first, min(first + wish.size - 1, LAST_INDEX))


class IndexRange:
    """The indexes that one sender may use under one key.

    ``size`` is how many to reserve at a time: the price of a crash, in indexes. ``low`` is how many are left
    when more are wished for, so that sending need not wait for the store.
    """

    def __init__(
        self, key_id: KeyId, ssrc: int, *, size: int = 4096, low: int = 1024, above: int = 0
    ) -> None:
        if not 0 <= low < size:
            raise InvalidValue(
                "more is wished for before the block is used up, and not already when it is new"
            )
        self.key_id = key_id
        self.ssrc = ssrc
        self.first = 0
        self.last = 0
        self._size, self._low, self._above = size, low, above
        self._wished = False

    def wish(self, next_index: int | None = None) -> Reserve | None:
        """What to reserve now, or None. ``next_index`` is the sender's (None: there is no sender yet).

        Asks once; a wish that the store refused is made again after :meth:`failed`.
        """
        left = 0 if next_index is None or not self.last else self.last - next_index + 1
        if self._wished or left > self._low or self.last == LAST_INDEX:
            return None
        self._wished = True
        return Reserve(self.key_id, self.ssrc, self._size, max(self._above, self.last))

    def grant(self, block: Block) -> None:
        """``block`` is reserved durably: it may be used from now on.

        :raises WrongState: nobody wished for it, it is another sender's, or it does not follow the range. In
        the last
            case somebody else reserves under this key and SSRC, so start again with another SSRC.
        """
        if not self._wished or (block.key_id, block.ssrc) != (self.key_id, self.ssrc):
            raise WrongState("a block that this sender did not wish for", code="keys.index-not-wished")
        if block.first <= self._above or (self.last and block.first != self.last + 1):
            raise WrongState(
                f"the block starts at {block.first}, the range ends at {self.last}",
                code="keys.index-gap",
                hint="another process sends with this SSRC; draw a new one",
            )
        self._wished = False
        self.first = self.first or block.first
        self.last = block.last

    def failed(self) -> None:
        """The store did not reserve, or it is not known whether it did. Nothing may be used; wish again.

        What it may have reserved is lost, and the next block does not follow the range: start with another
        SSRC then.
        """
        self._wished = False


def draw_ssrc(used: Container[int] = ()) -> int:
    """A random SSRC that is not among those ``used`` before under a key that is still alive."""
    while True:
        if (drawn := secrets.randbits(32)) not in used:
            return drawn
