"""What a server writes down about keys: each event that counts, as a record in its domain's chain (design 5.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from mcsec.ids import KeyId, Tmgi
from mcsec.keys.events import Event, KeyDestroyed, KeyEvent, KeyFirstUsed, KeyHeld, KeyMade
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import Chain, Head, Record
from mcsec.server.keydown import KeyDownload
from mcsec.server.signalling import OnBearer, Sent


class Notebook:
    """Records of one server.

    :ivar records: written and not taken yet; whoever puts them into the store takes them from here.
    """

    def __init__(self, domain: str, keydown: KeyDownload) -> None:
        self.records: list[Record] = []
        self._domain, self._keydown = domain, keydown
        self._chain = Chain(domain)
        self._made: dict[KeyId, Key] = {}
        self._used: set[tuple[KeyId, str, str]] = set()

    @property
    def holds(self) -> frozenset[KeyId]:
        """The keys of this server that it still holds, to write about them."""
        return frozenset(self._made)

    def resume(self, head: Head | None, keys: Iterable[Key]) -> None:
        """Goes on after a restart: the end of the chain of records, and the keys that it speaks of."""
        self._chain = Chain(self._domain, head)
        self._made |= {key.key_id: key for key in keys}

    def note(self, happened: list[Event], *about: Key | None) -> list[Event]:
        """Writes down what happened to keys; ``about`` are those of them that this server did not make."""
        others = {key.key_id: key for key in about if key is not None}
        for alike, told in groupby(happened, _alike):
            if alike is None:
                continue
            kind, key_id = alike
            if kind is KeyMade and (made := self._keydown.find(key_id)) is not None:
                self._made[key_id] = made
            key = others.get(key_id) or self._made.get(key_id)
            if key is not None:
                self.records += self._records(list(told), key)
            if kind is KeyDestroyed:
                # The last word about a key is written, and its octets go with this.
                self._made.pop(key_id, None)
                self._used = {use for use in self._used if use[0] != key_id}
        return happened

    def _records(self, told: Sequence[Event], key: Key) -> list[Record]:
        """The records of events of one kind about one key."""
        signer = key.maker.entity if key.maker == self._keydown.maker else ""
        held = [event for event in told if isinstance(event, KeyHeld)]
        if held:
            return [self._chain.note_held(held, key, signer=signer)]
        noted = (self._chain.note(event, key, signer=signer) for event in told if isinstance(event, KeyEvent))
        return [record for record in noted if record is not None]

    def note_use(self, sent: Sequence[Sent], traffic: Traffic, tmgi: Tmgi, now: float) -> None:
        """Writes down the first use of each key on a bearer."""
        for one in sent:
            if isinstance(one, OnBearer):
                use = (one.key.key_id, traffic.name, str(tmgi))
                if use not in self._used:
                    self._used.add(use)
                    self.note([KeyFirstUsed(now, *use)], one.key)


def _alike(event: Event) -> tuple[type[KeyEvent], KeyId] | None:
    """What events that follow one another must share to be written down together; None: it is about no key."""
    return (type(event), event.key_id) if isinstance(event, KeyEvent) else None
