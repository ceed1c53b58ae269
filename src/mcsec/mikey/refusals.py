"""Everything that opening an I_MESSAGE can refuse, in one table.

A code stays the same between releases. Logs, metrics, the documentation and the tests walk :data:`REFUSALS`.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.errors import CheckFailed, DecodeError, PeerError, Refused, Replayed, UnknownKey


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row: code, class of the error, what it means, the clause it rests on, what an operator may do."""

    code: str
    error: type[PeerError]
    meaning: str
    clause: str
    hint: str

    def because(self, detail: str) -> PeerError:
        """The error to raise. ``detail`` never holds key octets."""
        return self.error(detail, code=self.code, clause=self.clause, hint=self.hint)


MALFORMED = Refusal(
    "mikey.malformed",
    DecodeError,
    "the octets are not exactly one I_MESSAGE",
    "TS 33.180 E.1.2",
    "`mcsec explain` shows the message up to the broken octet",
)
UNSUPPORTED = Refusal(
    "mikey.unsupported",
    Refused,
    "a version, function, scheme or parameter set other than that of the MC profile",
    "TS 33.180 E.1.2",
    "the sender does not follow TS 33.180",
)
POLICY = Refusal(
    "mikey.policy",
    Refused,
    "an SP payload asks for other SRTP parameters than those supported",
    "TS 33.180 E.1.3",
    "the only profile is AES-GCM with 16-octet keys, 12-octet salts and 16-octet tags",
)
STALE = Refusal(
    "mikey.stale",
    Refused,
    "the timestamp is older than the window allows",
    "RFC 3830 5.4",
    "compare the clocks of sender and receiver, or ask for the key again",
)
EARLY = Refusal(
    "mikey.early",
    Refused,
    "the timestamp is further ahead than the window allows",
    "RFC 3830 5.4",
    "compare the clocks of sender and receiver",
)
WRONG_RECEIVER = Refusal(
    "mikey.wrong-receiver",
    Refused,
    "the message is for somebody else",
    "TS 33.180 5.2.2",
    "check which identities this receiver accepts",
)
KEY_PERIOD = Refusal(
    "mikey.key-period",
    UnknownKey,
    "the receiver holds no keys for the key period of the timestamp",
    "TS 33.180 F.2.1",
    "provision the keys of that period from the KMS",
)
WRONG_SENDER = Refusal(
    "mikey.wrong-sender",
    Refused,
    "the initiator is none of those expected",
    "TS 33.180 5.2.2",
    "only the receiver's own servers, or the user itself, may send keys here",
)
WRONG_KMS = Refusal(
    "mikey.wrong-kms",
    Refused,
    "the initiator is expected under another KMS",
    "TS 33.180 5.2.7",
    "a KMS can sign for any name; only its own domain's names count",
)
UNKNOWN_KMS = Refusal(
    "mikey.unknown-kms",
    UnknownKey,
    "no certificate of the named KMS is held",
    "TS 33.180 5.2.7",
    "fetch or configure the certificate of that KMS",
)
REVOKED_SENDER = Refusal(
    "mikey.revoked-sender",
    Refused,
    "the initiator's KMS lists it as revoked",
    "TS 33.180 D.3.2",
    "its operator can lift it: `mcsec kms revoke --undo URI`",
)
SIGNATURE = Refusal(
    "mikey.signature",
    CheckFailed,
    "the signature is not the initiator's over this message",
    "RFC 6507 5.2.2",
    "forged, altered on the way, or made under another KMS certificate",
)
REPLAYED = Refusal(
    "mikey.replayed",
    Replayed,
    "the message was received before, or is older than what is remembered",
    "RFC 3830 5.4",
    "a retransmission is harmless; anything else is an attack",
)
PURPOSE = Refusal(
    "mikey.purpose",
    Refused,
    "this initiator may not send a key of this kind",
    "TS 33.180 5.2.2",
    "multicast signalling keys come from the client's own MCX server, group keys from the group's GMS",
)
SAKKE = Refusal(
    "mikey.sakke",
    CheckFailed,
    "the encapsulated key fails its check",
    "RFC 6508 6.2.2",
    "made for another identity, key period or KMS; some senders need the profile trimmed-g",
)
PARAMETERS = Refusal(
    "mikey.parameters",
    CheckFailed,
    "the key parameters do not decrypt, or contradict the message",
    "TS 33.180 E.6",
    "the sender does not follow TS 33.180 E.6",
)
EXPIRED = Refusal(
    "mikey.expired",
    Refused,
    "the key's expiry time has passed",
    "TS 33.180 E.6.1",
    "ask for the key that replaces it",
)
REVOKED = Refusal(
    "mikey.revoked",
    Refused,
    "the sender says that the key must not be used any more",
    "TS 33.180 E.6.1",
    "the key is to be destroyed",
)

#: Every refusal, in the order of the checks.
REFUSALS = (
    MALFORMED,
    UNSUPPORTED,
    POLICY,
    STALE,
    EARLY,
    UNKNOWN_KMS,
    WRONG_RECEIVER,
    KEY_PERIOD,
    WRONG_SENDER,
    WRONG_KMS,
    REVOKED_SENDER,
    SIGNATURE,
    REPLAYED,
    PURPOSE,
    SAKKE,
    PARAMETERS,
    EXPIRED,
    REVOKED,
)
