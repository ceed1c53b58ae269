"""The CSKs of a client as keys for XML in SIP (TS 33.180 9.3)."""

from __future__ import annotations

from mcsec.client.engine import ClientEngine
from mcsec.errors import UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.kinds import Traffic
from mcsec.wire.xmlsec import XmlKeys


class CskKeys:
    """Asks the keyring each time, so that a key that is gone from there opens nothing here."""

    def __init__(self, engine: ClientEngine) -> None:
        self._engine = engine

    def current(self, now: float) -> XmlKeys | None:
        """The keys to protect under: of the newest CSK that is active; None where there is none."""
        try:
            key = self._engine.keyring.current(Traffic.UNICAST_FLOOR, self._engine.uri, now)
        except UnknownKey:
            return None
        return XmlKeys.derive(key.secret, key.key_id, self._engine.uri)

    def lookup(self, key_id: KeyId) -> XmlKeys:
        """The keys under the ID that a message names.

        :raises UnknownKey: ``xmlsec.unknown-key`` no such CSK is held.
        """
        for key in self._engine.keyring.keys:
            if key.key_id == key_id and key_id.tag is PurposeTag.CSK:
                return XmlKeys.derive(key.secret, key_id, self._engine.uri)
        raise UnknownKey(
            f"no {key_id.tag.label} {key_id} is held", code="xmlsec.unknown-key", clause="TS 33.180 9.3"
        )
