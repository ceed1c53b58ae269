"""The operations of ``mcsec-vectors/1``.

An operation first reads its inputs, which must be well formed, and returns what then runs. That gives the
outputs, or raises: any :class:`~mcsec.errors.McsecError` is a rejection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from mcsec._core import EccsiPublicKey, SakkePublicKey, SakkeReceiver, Secret
from mcsec.crypto.kdf import guk_id, master_key, master_salt
from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.crypto.sakke import SED_OCTETS, SSV_OCTETS
from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.crypto.uid import uid
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.inspect.vector_inputs import Inputs, VectorFileError
from mcsec.mikey.message import IMessage
from mcsec.mikey.open import open_message
from mcsec.mikey.profiles import STRICT, Profile
from mcsec.mikey.receiver import Receiver, Rules, Sender
from mcsec.mikey.replay import ReplayCache

Outputs = dict[str, bytes]
Operation = Callable[[Inputs], Callable[[], Outputs]]


# Tables and validations take longer than what a case tests, and the cases of a file share their keys.
@lru_cache(16)
def _encryption(z: bytes) -> SakkePublicKey:
    return SakkePublicKey(z)


@lru_cache(16)
def _receiver(z: bytes, identity: bytes, rsk: bytes) -> SakkeReceiver:
    return SakkeReceiver(_encryption(z), identity, Secret(rsk))


def _sakke_decapsulate(inputs: Inputs) -> Callable[[], Outputs]:
    z, identity, rsk = inputs.octets("Z"), inputs.octets("identity"), inputs.octets("rsk")
    sed = inputs.octets("R") + inputs.octets("H")
    profile = _profile(inputs)

    def run() -> Outputs:
        if len(sed) != SED_OCTETS or len(inputs.octets("H")) != SSV_OCTETS:
            raise InvalidValue("R or H has not its size")
        receiver = _receiver(z, identity, rsk)
        return {"ssv": receiver.decapsulate(sed, trimmed_g=profile.trimmed_g).reveal()}

    return run


def _sakke_encapsulate(inputs: Inputs) -> Callable[[], Outputs]:
    z, identity, ssv = inputs.octets("Z"), inputs.octets("identity"), inputs.octets("ssv")

    def run() -> Outputs:
        sed = _encryption(z).encapsulate(identity, Secret(ssv))
        return {"R": sed[:-SSV_OCTETS], "H": sed[-SSV_OCTETS:]}

    return run


def _sakke_validate_rsk(inputs: Inputs) -> Callable[[], Outputs]:
    z, identity, rsk = inputs.octets("Z"), inputs.octets("identity"), inputs.octets("rsk")

    def run() -> Outputs:
        _encryption(z).validate_rsk(identity, Secret(rsk))
        return {}

    return run


def _eccsi_verify(inputs: Inputs) -> Callable[[], Outputs]:
    kpak, identity = inputs.octets("KPAK"), inputs.octets("identity")
    message, signature = inputs.octets("message"), inputs.octets("signature")

    def run() -> Outputs:
        EccsiPublicKey(kpak).verify(identity, message, signature)
        return {}

    return run


def _eccsi_validate_ssk(inputs: Inputs) -> Callable[[], Outputs]:
    kpak, identity = inputs.octets("KPAK"), inputs.octets("identity")
    ssk, pvt = inputs.octets("ssk"), inputs.octets("pvt")

    def run() -> Outputs:
        EccsiPublicKey(kpak).validate_ssk(identity, Secret(ssk), pvt)
        return {}

    return run


def _uid(inputs: Inputs) -> Callable[[], Outputs]:
    uri, kms_uri = inputs.text("uri"), inputs.text("kms_uri")
    period, offset, number = inputs.whole("period"), inputs.whole("offset"), inputs.whole("period_no")
    return lambda: {"uid": uid(uri, kms_uri, period, offset, number)}


def _guk_id(inputs: Inputs) -> Callable[[], Outputs]:
    gmk, gmk_id, uri = inputs.octets("gmk"), inputs.octets("gmk_id"), inputs.text("uri")

    def run() -> Outputs:
        key_id = KeyId.decode(gmk_id)
        if key_id.tag is not PurposeTag.GMK:
            raise InvalidValue(f"{key_id} is no GMK-ID")
        return {"guk_id": guk_id(Secret(gmk), key_id, uri).encode()}

    return run


def _mikey_derive(inputs: Inputs) -> Callable[[], Outputs]:
    tgk, csb_id, rand = inputs.octets("tgk"), inputs.octets("csb_id"), inputs.octets("rand")
    cs_id = inputs.whole("cs_id")

    def run() -> Outputs:
        key = master_key(Secret(tgk), cs_id, csb_id, rand)
        salt = master_salt(Secret(tgk), cs_id, csb_id, rand)
        return {"master_key": key.reveal(), "master_salt": salt.reveal()}

    return run


@dataclass(frozen=True, slots=True)
class _Keys:
    uri: str
    kms_uri: str
    uid: bytes
    decryption: SakkeReceiver


def _mikey_open(inputs: Inputs) -> Callable[[], Outputs]:
    octets = inputs.octets("message")
    kms_inputs, receiver_inputs = inputs.part("kms"), inputs.part("receiver")
    kms_uri, uri = kms_inputs.text("uri"), receiver_inputs.text("uri")
    z, kpak, rsk = kms_inputs.octets("Z"), kms_inputs.octets("KPAK"), receiver_inputs.octets("rsk")
    period, offset = kms_inputs.whole("period"), kms_inputs.whole("offset")
    now = inputs.time("now") if "now" in inputs else None
    profile = _profile(inputs)

    def run() -> Outputs:
        message = IMessage.decode(octets)
        time = message.timestamp.unix
        kms = KmsPublicKeys(kms_uri, _encryption(z), EccsiPublicKey(kpak), period, offset)
        own = kms.uid_of(uri, time)
        keys = _Keys(uri, kms_uri, own, _receiver(z, own, rsk))
        # A vector does not say whom the receiver expects: whoever the message names, with any kind of key.
        sender = Sender(message.initiator.uri, kms_uri, frozenset(PurposeTag))
        receiver = Receiver([keys], [kms], ReplayCache(), Rules(profile=profile))
        opened = open_message(octets, receiver, [sender], time if now is None else now)
        return {
            "key": opened.key.reveal(),
            "key_id": opened.key_id.encode(),
            "csb_id": opened.csb_id.encode(),
            "rand": opened.rand,
        }

    return run


def _srtcp_unprotect(inputs: Inputs) -> Callable[[], Outputs]:
    key, salt = inputs.octets("master_key"), inputs.octets("master_salt")
    mki, packet = inputs.octets("mki"), inputs.octets("packet")

    def run() -> Outputs:
        receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
        receiver.add_key(mki, Secret(key), Secret(salt))
        return {"rtcp": receiver.unprotect(packet).octets}

    return run


def _profile(inputs: Inputs) -> Profile:
    if "profile" not in inputs:
        return STRICT
    try:
        return Profile.named(inputs.text("profile"))
    except VectorFileError:
        raise
    except InvalidValue as error:
        raise VectorFileError(f"{inputs.where}: {error}", hint=error.hint) from None


#: Every operation by its name.
OPS: Mapping[str, Operation] = {
    "sakke.decapsulate": _sakke_decapsulate,
    "sakke.encapsulate": _sakke_encapsulate,
    "sakke.validate_rsk": _sakke_validate_rsk,
    "eccsi.verify": _eccsi_verify,
    "eccsi.validate_ssk": _eccsi_validate_ssk,
    "uid": _uid,
    "guk_id": _guk_id,
    "mikey.derive": _mikey_derive,
    "mikey.open": _mikey_open,
    "srtcp.unprotect": _srtcp_unprotect,
}
