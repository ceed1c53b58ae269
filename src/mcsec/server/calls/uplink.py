"""Floor control from clients: opened under the CSK of the client that sent it, and no other (TS 24.380 13.1, C.4.7).

What one call's replay window has seen counts in the next: a client has one receiver for as long as it has its CSK.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.errors import DecodeError, Refused, UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage

_MKI = 4
#: SSRCs of one client under one CSK: one for each of its calls.
_STREAMS = 4096


def mki_of(octets: bytes) -> KeyId:
    """The key ID that a packet ends with.

    :raises DecodeError: it names no kind of key.
    """
    return KeyId.decode(octets[-_MKI:])


def floor_messages(octets: bytes) -> tuple[FloorMessage, ...]:
    """The floor messages of a packet in clear.

    :raises DecodeError: it is not made of whole messages. :raises Refused: another protocol.
    """
    messages = rtcp.decode(octets)
    floor = tuple(message for message in messages if isinstance(message, FloorMessage))
    if len(floor) != len(messages):
        raise Refused("no floor control", code="call.protocol", clause="TS 24.380 8.1.2")
    return floor


class Uplinks:
    """Receivers of the clients of one server."""

    def __init__(self, csks: Mapping[str, Key]) -> None:
        """:param csks: by MC service ID, as they are at any moment."""
        self._csks = csks
        self._owners: dict[KeyId, str] = {}
        self._receivers: dict[str, tuple[KeyId, SrtcpReceiver]] = {}

    def open(self, octets: bytes) -> tuple[str, tuple[FloorMessage, ...]]:
        """Whose packet it is, and the floor messages in it; each has the SSRC that was authenticated.

        :raises PeerError: it is not protected under the CSK that a client of ours has now, was changed, was seen
            before, or holds something else.
        """
        key_id = mki_of(octets)
        if key_id.tag is not PurposeTag.CSK:
            raise Refused(
                f"floor control of a client under {key_id.tag.label}",
                code="call.wrong-key",
                clause="TS 24.380 13.1",
            )
        user = self._owner(key_id)
        opened = self._receiver(user, key_id).unprotect(octets)
        messages = floor_messages(opened.octets)
        if any(message.ssrc != opened.ssrc for message in messages):
            raise DecodeError(
                "an SSRC inside that is not the packet's", code="call.ssrc", clause="TS 24.380 8.1.2"
            )
        return user, messages

    def _owner(self, key_id: KeyId) -> str:
        user = self._owners.get(key_id)
        if user is None:
            self._owners = {key.key_id: user for user, key in self._csks.items()}
            user = self._owners.get(key_id)
        key = None if user is None else self._csks.get(user)
        if user is None or key is None or key.key_id != key_id:
            raise UnknownKey(
                f"{key_id} is the CSK of nobody here",
                code="call.unknown-csk",
                clause="TS 24.380 13.1",
                hint="the client uploads its CSK again",
            )
        return user

    def _receiver(self, user: str, key_id: KeyId) -> SrtcpReceiver:
        known = self._receivers.get(user)
        if known is not None and known[0] == key_id:
            return known[1]
        made = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM, max_streams=_STREAMS)
        made.add_key(*self._csks[user].srtp_material())
        self._receivers[user] = key_id, made
        return made

    def forget(self, user: str) -> None:
        """A client is gone, and its CSK with it."""
        self._receivers.pop(user, None)
