"""The SRTP and SRTCP receiving contexts of a client, fed by its keyring.

Each class of traffic has a context of its own, so that a key opens nothing on a socket where its kind is not legal.
"""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.crypto.srtp import OpenedPacket, SrtcpReceiver, SrtpProfile, SrtpReceiver
from mcsec.errors import CheckFailed, InvalidValue, PeerError
from mcsec.ids import KeyId
from mcsec.keys.keyring import Keyring, Output, RemoveKey
from mcsec.keys.kinds import MkiForm, Traffic, kinds_for

#: What a client reads under SRTCP.
CONTROL = (Traffic.SUBCHANNEL_CONTROL, Traffic.MBMS_FLOOR, Traffic.UNICAST_FLOOR)


class Contexts:
    """Receiving contexts by traffic, and the keyring they follow."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        profile = SrtpProfile.AEAD_AES_128_GCM
        self._contexts: dict[Traffic, SrtcpReceiver | SrtpReceiver] = {
            traffic: SrtcpReceiver(profile) for traffic in CONTROL
        }
        self._contexts[Traffic.GROUP_MEDIA] = SrtpReceiver(profile)
        self._fed: set[tuple[Traffic, bytes]] = set()

    def follow(self, outputs: Iterable[Output]) -> None:
        """Does what the keyring says. Keys are added when their first packet comes; removed at once."""
        for output in outputs:
            if isinstance(output, RemoveKey):
                prefix = output.key_id.encode()
                for traffic, mki in [fed for fed in self._fed if fed[1].startswith(prefix)]:
                    self._contexts[traffic].remove_key(mki)
                    self._fed.discard((traffic, mki))

    def open(self, packet: bytes, traffic: Traffic, name: str, now: float) -> OpenedPacket:
        """The packet in clear, if the keyring allows its key on this socket and every check passes.

        :raises PeerError: it does not; nothing has changed.
        """
        # The kinds that are legal for one class of traffic have MKIs of one size.
        form = kinds_for(traffic)[0].mki
        mki = packet[-form.octets :]
        if form is MkiForm.KEY_ID_AND_USER_KEY_ID:
            # Anyone can write anything there; the keyring takes it for a GUK-ID.
            KeyId.decode(mki[-4:])
        self._keyring.look_up(mki, traffic, name, now)
        context = self._contexts[traffic]
        if (traffic, mki) in self._fed:
            return _unprotect(context, packet)
        context.add_key(*self._keyring.material(mki, traffic, name, now))
        try:
            opened = _unprotect(context, packet)
        except PeerError:
            # The MKI of group media names a sender, which anyone can make up: what proved nothing is not kept.
            context.remove_key(mki)
            raise
        self._fed.add((traffic, mki))
        return opened


#: How often the sequence numbers of a stream may have wrapped before we heard of it: 22 minutes of talk each.
_ROLLOVERS = 16


def _unprotect(context: SrtcpReceiver | SrtpReceiver, packet: bytes) -> OpenedPacket:
    """The packet in clear. Who joins a call late does not know how often the 16 bits of a sequence number have wrapped
    (RFC 3711 3.3.1); the tag says which guess is right, so the likely ones are tried.

    Nothing is kept of guesses that were wrong, so that forged packets cannot lead astray.
    """
    try:
        return context.unprotect(packet)
    except CheckFailed:
        if not isinstance(context, SrtpReceiver):
            raise
        ssrc = int.from_bytes(packet[8:12])
        for rollovers in (*range(1, _ROLLOVERS), 0):
            try:
                context.start_stream(ssrc, rollovers)
                return context.unprotect(packet)
            except CheckFailed:
                continue
            except InvalidValue:
                # The stream is known: its packet is simply wrong.
                break
        raise
