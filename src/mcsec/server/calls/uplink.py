"""Floor control from clients: opened under the CSK of the client that sent it, and no other (TS 24.380 13.1, C.4.7).

What one call's replay window has seen counts in the next: a client has one receiver for as long as it has its CSK.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.errors import DecodeError, Refused, UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key
from mcsec.server.csk import Csks
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage

_MKI = 4
#: SSRCs of one client under one CSK: one for each of its calls.
_STREAMS = 4096
#: Seconds between looks through all keys for one that is not known.
_LOOK = 0.1


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

    def __init__(self, csks: Csks, clock: Callable[[], float]) -> None:
        """:param csks: as they are at any moment; one that another took the place of is readable for a while."""
        self._csks, self._clock = csks, clock
        self._owners: dict[KeyId, str] = {}
        self._looked = -inf
        self._receivers: dict[str, tuple[SrtcpReceiver, dict[KeyId, bytes]]] = {}

    def open(self, octets: bytes) -> tuple[str, tuple[FloorMessage, ...]]:
        """Whose packet it is, and the floor messages in it; each has the SSRC that was authenticated.

        :raises PeerError: it is not protected under a CSK that a client of ours has, was changed, was seen before, or
            holds something else.
        """
        key_id = mki_of(octets)
        if key_id.tag is not PurposeTag.CSK:
            raise Refused(
                f"floor control of a client under {key_id.tag.label}",
                code="call.wrong-key",
                clause="TS 24.380 13.1",
            )
        user, key = self._owner(key_id)
        opened = self._receiver(user, key).unprotect(octets)
        messages = floor_messages(opened.octets)
        if any(message.ssrc != opened.ssrc for message in messages):
            raise DecodeError(
                "an SSRC inside that is not the packet's", code="call.ssrc", clause="TS 24.380 8.1.2"
            )
        return user, messages

    def forget(self, user: str) -> None:
        """A client is gone, and its CSK with it."""
        self._receivers.pop(user, None)

    def _owner(self, key_id: KeyId) -> tuple[str, Key]:
        key = self._readable(self._owners.get(key_id), key_id)
        now = self._clock()
        if key is None and now - self._looked >= _LOOK:
            # Not for every packet: a stranger could have us look through all keys all the time.
            self._looked = now
            self._owners = {key.key_id: user for user in self._csks.held for key in self._csks.readable(user)}
            key = self._readable(self._owners.get(key_id), key_id)
        if key is None:
            raise UnknownKey(
                f"{key_id} is the CSK of nobody here",
                code="call.unknown-csk",
                clause="TS 24.380 13.1",
                hint="the client uploads its CSK again",
            )
        return self._owners[key_id], key

    def _readable(self, user: str | None, key_id: KeyId) -> Key | None:
        keys = [] if user is None else self._csks.readable(user)
        return next((key for key in keys if key.key_id == key_id), None)

    def _receiver(self, user: str, key: Key) -> SrtcpReceiver:
        known = self._receivers.get(user)
        if known is None:
            made = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM, max_streams=_STREAMS)
            known = self._receivers[user] = made, {}
        receiver, mkis = known
        if key.key_id not in mkis:
            readable = {one.key_id for one in self._csks.readable(user)}
            for gone in mkis.keys() - readable:
                receiver.remove_key(mkis.pop(gone))
            material = key.srtp_material()
            receiver.add_key(*material)
            mkis[key.key_id] = material.mki
        return receiver
