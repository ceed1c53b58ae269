"""Receiving a key download (TS 24.379 7.2.5, TS 33.180 5.8): a MuSiK or a CSK of the client's own server."""

from __future__ import annotations

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.errors import DecodeError
from mcsec.keys.events import Event
from mcsec.wire import mikey_body
from mcsec.wire.mc_bodies import Body


def is_download(body: Body) -> bool:
    """Whether a message brings a key."""
    return body.part(mikey_body.CONTENT_TYPE) is not None


def take(body: Body, engine: ClientEngine, now: float) -> list[Event]:
    """The key of a download goes into the keyring, or out of it where the message revokes it.

    The message may be raw or in base64.

    :raises PeerError: it must be refused; nothing has changed.
    """
    messages = [part for part in body.parts if part.essence == mikey_body.CONTENT_TYPE]
    if len(messages) > 1:
        # One answer cannot say which of them was taken.
        raise DecodeError("several MIKEY messages", code="client.ambiguous", clause="TS 24.379 7.2.5")
    return engine.key_message(mikey_body.decode(messages[0]), Carrier.KEY_DOWNLOAD, now)
