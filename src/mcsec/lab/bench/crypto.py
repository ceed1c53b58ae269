"""The native core and MIKEY on one core: what one key download costs, and what one broadcast packet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import count

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.crypto.secret import Secret
from mcsec.crypto.srtp import SrtcpReceiver, SrtcpSender, SrtpProfile
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.reservation import FIRST_INDEX, LAST_INDEX
from mcsec.keys.transport import write
from mcsec.lab.bench.timing import BenchReport, per_call, yardstick
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache

KMS_URI = "kms.example.org"
SERVER = "mcx.example.org"
USER = "sip:user@example.org"
PERIOD = 2_592_000
BATCH = 64


def measure(rounds: int, progress: Callable[[str], None]) -> BenchReport:
    """Every figure on one core, the yardstick first and last (the mean counts: machines drift)."""
    _one_core()
    now = time.time()
    before = yardstick(rounds)
    seconds: dict[str, float] = {}
    for name, (operation, each) in _operations(now).items():
        progress(name)
        seconds[name] = per_call(operation, rounds) / each
    return BenchReport((before + yardstick(rounds)) / 2, seconds)


def _one_core() -> None:
    """Stay on one core, so that figures of one machine compare."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def _operations(now: float) -> dict[str, tuple[Callable[[], object], int]]:
    """Each figure's operation, and by how much one call of it is to be divided."""
    master = KmsMasterKeys.generate()
    public = master.public(KMS_URI, PERIOD)
    period = public.period_at(now)

    def identity(uri: str) -> IdentityKeys:
        material = master.extract(public.uid_in(uri, period))
        return IdentityKeys.validate(public, uri, period, material.rsk, material.ssk, material.pvt)

    server, user = identity(SERVER), identity(USER)
    ssv = Secret.random(16)
    fresh = _fresh_identities()
    batch = [next(fresh) for _ in range(BATCH)]
    sed = public.encryption.encapsulate(user.uid, ssv)
    message = os.urandom(500)
    signature = server.signer.sign(message)
    key = make(
        PurposeTag.MUSIK, scope=Scope.of("sip:group@example.org"), maker=Maker(KMS_URI, SERVER), now=now
    )
    initiator, recipient = Initiator(server, public), Recipient(USER, public)
    (download,) = write(key, initiator, [recipient], now)
    senders = [Sender(SERVER, KMS_URI, frozenset({PurposeTag.MUSIK}))]

    def open_download() -> object:
        # A replay cache of its own, as every message is opened once only.
        return open_message(download, Receiver([user], [public], ReplayCache()), senders, now)

    return {
        "sakke.encapsulate_fresh": (lambda: public.encryption.encapsulate(next(fresh), ssv), 1),
        "sakke.encapsulate_batch": (lambda: public.encryption.encapsulate_many(batch, ssv, threads=1), BATCH),
        "sakke.decapsulate": (lambda: user.decryption.decapsulate(sed), 1),
        "eccsi.sign": (lambda: server.signer.sign(message), 1),
        "eccsi.verify": (lambda: public.authentication.verify(server.uid, message, signature), 1),
        "kms.extract": (lambda: master.extract(next(fresh)), 1),
        "mikey.build": (lambda: write(key, initiator, [recipient], now), 1),
        "mikey.build_batch": (lambda: write(key, initiator, [recipient] * BATCH, now), BATCH),
        "mikey.open": (open_download, 1),
        "srtcp.pair": (_srtcp_pair(key), 1),
    }


def _fresh_identities() -> Iterator[bytes]:
    """Identities that were never seen before: 32 octets each, as a UID has."""
    return (number.to_bytes(32) for number in count(int.from_bytes(os.urandom(16))))


def _srtcp_pair(key: Key) -> Callable[[], object]:
    """Protect and unprotect one RTCP packet of 100 octets."""
    material = key.srtp_material()
    ssrc = 0x11223344
    profile = SrtpProfile.AEAD_AES_128_GCM
    sender = SrtcpSender(profile, ssrc, *material, first=FIRST_INDEX, last=LAST_INDEX)
    receiver = SrtcpReceiver(profile)
    receiver.add_key(*material)
    packet = bytes.fromhex("80cc0018") + ssrc.to_bytes(4) + b"MCPT" + bytes(88)

    def pair() -> object:
        return receiver.unprotect(sender.protect(packet).octets)

    return pair
