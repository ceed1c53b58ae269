"""What a server writes down about keys: each event that counts, as a record in its domain's chain (design 5.7)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mcsec.ids import KeyId, Tmgi
from mcsec.keys.events import Event, KeyDestroyed, KeyEvent, KeyFirstUsed, KeyMade
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
        for event in happened:
            if not isinstance(event, KeyEvent):
                continue
            if isinstance(event, KeyMade) and (made := self._keydown.find(event.key_id)) is not None:
                self._made[event.key_id] = made
            key = others.get(event.key_id) or self._made.get(event.key_id)
            if key is not None:
                own = key.maker == self._keydown.maker
                record = self._chain.note(event, key, signer=key.maker.entity if own else "")
                self.records += [record] if record is not None else []
            if isinstance(event, KeyDestroyed):
                # The last word about a key is written, and its octets go with this.
                self._made.pop(event.key_id, None)
                self._used = {use for use in self._used if use[0] != event.key_id}
        return happened

    def note_use(self, sent: Sequence[Sent], traffic: Traffic, tmgi: Tmgi, now: float) -> None:
        """Writes down the first use of each key on a bearer."""
        for one in sent:
            if isinstance(one, OnBearer):
                use = (one.key.key_id, traffic.name, str(tmgi))
                if use not in self._used:
                    self._used.add(use)
                    self.note([KeyFirstUsed(now, *use)], one.key)
