"""Group keys: made here, one I_MESSAGE for each member (TS 33.180 5.7; MKFC as in TS 33.179)."""

from __future__ import annotations

from collections.abc import Sequence

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import transport
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.mikey.build import Initiator, Recipient

#: What a GMS makes.
KINDS = frozenset((PurposeTag.GMK, PurposeTag.MKFC))


class GmsEngine:
    """One domain's GMS."""

    def __init__(self, domain: str, initiator: Initiator) -> None:
        self.maker = Maker(domain, initiator.keys.uri)
        self._initiator = initiator
        self._keys: dict[KeyId, Key] = {}

    @property
    def keys(self) -> tuple[Key, ...]:
        """Every key that was made here and is not forgotten."""
        return tuple(self._keys.values())

    def renew(self, initiator: Initiator) -> None:
        """The GMS's own keys of the present key period."""
        self._initiator = initiator

    def adopt(self, key: Key) -> None:
        """A key that was made here before a restart."""
        self._keys[key.key_id] = key

    def forget(self, key_id: KeyId) -> None:
        """A key is destroyed."""
        self._keys.pop(key_id, None)

    def make(
        self,
        tag: PurposeTag,
        group: str,
        now: float,
        *,
        activation: float | None = None,
        lifetime: float | None = None,
    ) -> Key:
        """A fresh GMK or MKFC of ``group``.

        :raises InvalidValue: a kind that a GMS does not make.
        """
        if tag not in KINDS:
            raise InvalidValue(f"a GMS makes no {tag.label}")
        key = make(
            tag,
            scope=Scope.of(group),
            maker=self.maker,
            now=now,
            live=self._keys,
            activation=activation,
            lifetime=lifetime,
        )
        self._keys[key.key_id] = key
        return key

    def messages(
        self, key_id: KeyId, members: Sequence[Recipient], now: float, *, revoked: bool = False
    ) -> list[bytes]:
        """The key for each member, or for a server that is to have an MKFC: in order.

        :param revoked: tell them that it must not be used any more.
        :raises InvalidValue: the key is not one of this GMS.
        """
        if key_id not in self._keys:
            raise InvalidValue(f"no key {key_id} was made here", code="keys.unknown")
        return transport.write(self._keys[key_id], self._initiator, members, now, revoked=revoked)
