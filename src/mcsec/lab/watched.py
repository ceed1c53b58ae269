"""A client whose key messages are recorded: what somebody has who sees everything that passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.events import Event
from mcsec.keys.key import Key


@dataclass(frozen=True, slots=True)
class KeyMessage:
    """An I_MESSAGE, who it was for, and how it came; ``carrier`` None: a CSK upload."""

    receiver: str
    octets: bytes
    carrier: Carrier | None


class WatchedClient(ClientEngine):
    """An MC client under watch.

    :ivar recorded: every I_MESSAGE that it sent or was given, in order.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.recorded: list[KeyMessage] = []

    def make_csk(self, now: float) -> tuple[Key, bytes]:
        """Records the upload."""
        key, upload = super().make_csk(now)
        self.recorded.append(KeyMessage(self.server.uri, upload, None))
        return key, upload

    def key_message(
        self, octets: bytes, carrier: Carrier, now: float, *, bearer: Tmgi | None = None
    ) -> list[Event]:
        """Records what arrives, whatever becomes of it."""
        self.recorded.append(KeyMessage(self.uri, octets, carrier))
        return super().key_message(octets, carrier, now, bearer=bearer)

    @property
    def musik_download(self) -> bytes:
        """The first MuSiK download."""
        return next(
            message.octets
            for message in self.recorded
            if message.carrier is Carrier.KEY_DOWNLOAD and message.octets[4] >> 4 == PurposeTag.MUSIK
        )
