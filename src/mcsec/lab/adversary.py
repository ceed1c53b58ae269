"""Somebody who has every secret of one domain's KMS and GMS, and recorded everything another domain sent.

It may do all that those secrets allow: extract the keys of any identity in any KMS's name space, open what opens
with them, and try every key it has or finds on every packet, under every derivation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

from mcsec.crypto.kdf import master_key, master_salt
from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys
from mcsec.crypto.sakke import SakkeReceiver
from mcsec.crypto.secret import Secret
from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.transport import write
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.message import IMessage
from mcsec.wire import rtcp

#: Every CS-ID of TS 33.180 table E.1.3-1.
CS_IDS = range(10)


@dataclass
class Attempt:
    """What the adversary tried and what came of it. ``messages`` are control messages that it read."""

    packets: int = 0
    key_messages: int = 0
    tries: int = 0
    keys_opened: int = 0
    messages: list[rtcp.Message] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.tries} tries on {self.packets} packets and {self.key_messages} I_MESSAGEs: "
            f"{self.keys_opened} keys and {len(self.messages)} control messages opened"
        )


class Adversary:
    """The holder of one domain's secrets."""

    def __init__(self, master: KmsMasterKeys, public: KmsPublicKeys, others: Iterable[KmsPublicKeys]) -> None:
        """:param master: the KMS's master secrets. :param public: what that KMS publishes.
        :param others: what other KMSs publish, which everybody knows.
        """
        self._master = master
        self._public = public
        self._name_spaces = [public, *others]
        self._keys: list[Key] = []
        self._receivers: dict[bytes, SakkeReceiver] = {}

    def learn(self, keys: Iterable[Key]) -> None:
        """Keys that the domain's GMS made; those that are known already are no news."""
        self._keys += [key for key in keys if key not in self._keys]

    def forge(self, name: str, client: str, client_kms: KmsPublicKeys, group: str, now: float) -> bytes:
        """A MuSiK download for ``client`` in the name of its server: this KMS can sign for any name under itself."""
        period = self._public.period_at(now)
        material = self._master.extract(self._public.uid_in(name, period))
        impostor = IdentityKeys.validate(self._public, name, period, material.rsk, material.ssk, material.pvt)
        maker = Maker(self._public.kms_uri, name)
        key = make(PurposeTag.MUSIK, scope=Scope.of(group), maker=maker, now=now)
        return write(key, Initiator(impostor, self._public), [Recipient(client, client_kms)], now)[0]

    def attack(self, packets: Iterable[bytes], key_messages: Iterable[tuple[str, bytes]]) -> Attempt:
        """Tries everything on recorded SRTCP ``packets`` and ``key_messages`` (receiver's URI, I_MESSAGE)."""
        attempt = Attempt()
        secrets = [key.secret for key in self._keys]
        rands = [key.rand for key in self._keys]
        for uri, octets in key_messages:
            attempt.key_messages += 1
            message = IMessage.decode(octets)
            rands.append(message.rand)
            secrets += [found for found in self._open(uri, message, attempt) if found not in secrets]
        for packet in packets:
            attempt.packets += 1
            # A key may belong to any RAND that was seen, and be used under any CS-ID.
            for secret, rand, cs_id in product(secrets, set(rands), CS_IDS):
                attempt.tries += 1
                attempt.messages += _read(packet, secret, rand, cs_id)
        return attempt

    def _open(self, uri: str, message: IMessage, attempt: Attempt) -> list[Secret]:
        """The key of an I_MESSAGE, with the RSK that this KMS extracts for the receiver in any name space."""
        opened = []
        for space in self._name_spaces:
            attempt.tries += 1
            uid = space.uid_of(uri, message.timestamp.unix)
            try:
                opened.append(self._posing_as(uid).decapsulate(message.sakke.sed))
            except PeerError:
                continue
        attempt.keys_opened += len(opened)
        return opened

    def _posing_as(self, uid: bytes) -> SakkeReceiver:
        if uid not in self._receivers:
            rsk = self._master.encryption.extract(uid)
            self._receivers[uid] = SakkeReceiver(self._public.encryption, uid, rsk)
        return self._receivers[uid]


def _read(packet: bytes, secret: Secret, rand: bytes, cs_id: int) -> tuple[rtcp.Message, ...]:
    mki = packet[-4:]
    context = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
    context.add_key(mki, master_key(secret, cs_id, mki, rand), master_salt(secret, cs_id, mki, rand))
    try:
        return rtcp.decode(context.unprotect(packet).octets)
    except PeerError:
        return ()
