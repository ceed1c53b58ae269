"""Opening an I_MESSAGE: every check of a receiver, in the order of TS 33.180 5.2.2.

Nothing secret is touched before the signature is known to be good, and a key comes out only when every check
passed. Each refusal is a row of :data:`mcsec.mikey.refusals.REFUSALS`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcsec._core import Secret
from mcsec.crypto.eccsi import SIGNATURE_OCTETS
from mcsec.crypto.kdf import guk_id
from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import CheckFailed, DecodeError, InvalidValue, Refused
from mcsec.ids import KeyId, PurposeTag
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.message import IMessage
from mcsec.mikey.numbers import (
    PRF_HMAC_SHA_256,
    SAKKE_PARAMETERS_1,
    SCHEME_3GPP_HASHED_UID,
    SIGNATURE_ECCSI,
)
from mcsec.mikey.parameters import KeyParameters, unprotect
from mcsec.mikey.payloads import SIGN_HEADER
from mcsec.mikey.policy import check_policy
from mcsec.mikey.receiver import DecryptionKeys, Origin, Receiver, Rules, Sender, origin_of
from mcsec.mikey.refusals import (
    EARLY,
    EXPIRED,
    PARAMETERS,
    PURPOSE,
    REVOKED,
    SAKKE,
    SIGNATURE,
    STALE,
    UNSUPPORTED,
    WRONG_SENDER,
)


@dataclass(frozen=True, slots=True)
class Opened:
    """A key that arrived, and everything the message said about it.

    ``csb_id`` is the key ID, or for a GMK the receiver's own GUK-ID. ``initiator`` is None while a hidden
    sender is anonymous. ``timestamp`` is T in Unix seconds. ``digest`` names the message: SHA-256 of its
    signed octets.
    """

    distribution: KeyDistribution
    csb_id: KeyId
    initiator: str | None
    initiator_uid: bytes
    initiator_kms: str
    responder: str
    responder_kms: str
    timestamp: float
    parameters: KeyParameters | None
    digest: bytes

    @property
    def kind(self) -> PurposeTag:
        """What the key is for."""
        return self.distribution.kind

    @property
    def key_id(self) -> KeyId:
        """The key's ID; for a GMK the GMK-ID."""
        return self.distribution.key_id

    @property
    def key(self) -> Secret:
        """The key, 16 octets."""
        return self.distribution.key

    @property
    def rand(self) -> bytes:
        """RAND of the key, 16 octets."""
        return self.distribution.rand

    @property
    def guk_id(self) -> KeyId | None:
        """The receiver's GUK-ID, for a GMK."""
        return self.csb_id if self.kind is PurposeTag.GMK else None


class KeyRevoked(Refused):
    """The sender says that the key must not be used any more. Authentic: the key is to be destroyed."""

    def __init__(self, opened: Opened) -> None:
        super().__init__(
            f"{opened.kind.label} {opened.key_id} is revoked",
            code=REVOKED.code,
            clause=REVOKED.clause,
            hint=REVOKED.hint,
        )
        self.opened = opened


def open_message(octets: bytes, receiver: Receiver, senders: Sequence[Sender], now: float) -> Opened:
    """Open an I_MESSAGE.

    :param senders: who may send what here; choose them by where the message came from.
    :param now: the receiver's clock, Unix seconds.
    :raises DecodeError: ``mikey.malformed`` or ``mikey.unsupported``.
    :raises KeyRevoked: the message is authentic and revokes the key.
    :raises PeerError: any other row of :data:`mcsec.mikey.refusals.REFUSALS`.
    """
    message = IMessage.decode(octets)
    rules = receiver.rules
    time = message.timestamp.unix
    _check_supported(message)
    _check_fresh(time, now, rules)
    keys = receiver.keys_for(message, time)
    origin = origin_of(message, receiver, senders, time)
    _check_signature(octets, message, origin, rules)
    digest = hashlib.sha256(octets[:-SIGNATURE_OCTETS]).digest()
    receiver.replay.admit(digest, time, now - rules.past)
    csb_id = _check_purpose(message, origin)
    key = _decapsulate(message, keys, rules)
    key_id = guk_id(key, csb_id, keys.uri) if csb_id.tag is PurposeTag.GMK else csb_id
    parameters = _parameters(message, key, csb_id, rules)
    opened = Opened(
        KeyDistribution(key_id, key, message.rand),
        csb_id,
        origin.uri,
        origin.uid,
        origin.kms.kms_uri,
        keys.uri,
        keys.kms_uri,
        time,
        parameters,
        digest,
    )
    if parameters is not None:
        if parameters.revoked:
            raise KeyRevoked(opened)
        if parameters.expiry is not None and parameters.expiry <= now:
            raise EXPIRED.because(f"{opened.kind.label} {key_id} expired at {parameters.expiry}")
    return opened


def identify(opened: Opened, uri: str, kms: KmsPublicKeys) -> Opened:
    """The last check of identity hiding: the URI that the sender told must have the UID that signed (E.7).

    :param kms: the public keys of the sender's KMS.
    :raises Refused: ``mikey.wrong-sender``.
    """
    if kms.kms_uri != opened.initiator_kms or kms.uid_of(uri, opened.timestamp) != opened.initiator_uid:
        raise WRONG_SENDER.because(f"{uri} is not who signed the message")
    return replace(opened, initiator=uri)


def _check_supported(message: IMessage) -> None:
    header, sakke, sign = message.header, message.sakke, message.sign
    for field, found, supported in (
        ("V", header.verification, False),
        ("PRF function", header.prf, PRF_HMAC_SHA_256),
        ("SAKKE parameters", sakke.parameters, SAKKE_PARAMETERS_1),
        ("ID scheme", sakke.scheme, SCHEME_3GPP_HASHED_UID),
        ("signature type", sign.signature_type, SIGNATURE_ECCSI),
    ):
        if found != supported:
            raise UNSUPPORTED.because(f"{field} is {int(found)}, not {int(supported)}")
    if message.policy is not None:
        check_policy(message.policy)


def _check_fresh(time: float, now: float, rules: Rules) -> None:
    if not time >= now - rules.past:
        raise STALE.because(f"the timestamp is {now - time:.0f} s old")
    if not time <= now + rules.ahead:
        raise EARLY.because(f"the timestamp is {time - now:.0f} s ahead")


def _check_signature(octets: bytes, message: IMessage, origin: Origin, rules: Rules) -> None:
    signed = octets[:-SIGNATURE_OCTETS]
    ranges = [signed]
    if rules.profile.short_sign_range:
        ranges.append(signed[: -len(SIGN_HEADER)])
    for candidate in ranges:
        try:
            origin.kms.authentication.verify(origin.uid, candidate, message.sign.signature)
        except (CheckFailed, InvalidValue):
            continue
        return
    raise SIGNATURE.because(f"the signature is not that of {origin.uri or 'the UID named'}")


def _check_purpose(message: IMessage, origin: Origin) -> KeyId:
    try:
        csb_id = KeyId.decode(message.header.csb_id)
    except DecodeError:
        raise PURPOSE.because(f"purpose tag {message.header.csb_id[0] >> 4} is not defined") from None
    if csb_id.tag not in origin.kinds:
        raise PURPOSE.because(f"{origin.uri or 'this sender'} may not send a {csb_id.tag.label}")
    return csb_id


def _decapsulate(message: IMessage, keys: DecryptionKeys, rules: Rules) -> Secret:
    try:
        return keys.decryption.decapsulate(message.sakke.sed, trimmed_g=rules.profile.trimmed_g)
    except (CheckFailed, InvalidValue):
        raise SAKKE.because(f"the key was not encapsulated to {keys.uri} in this key period") from None


def _parameters(message: IMessage, key: Secret, csb_id: KeyId, rules: Rules) -> KeyParameters | None:
    if message.parameters is None:
        return None
    parameters = unprotect(message.parameters, key, csb_id, rules.epoch)
    if parameters.kind is not csb_id.tag:
        raise PARAMETERS.because(f"parameters of a {parameters.kind.label} with a {csb_id.tag.label}")
    return parameters
