"""The one SRTP profile of MC keys, as SP parameters (RFC 3830 6.10.1; TS 33.180 E.2 and E.3)."""

from __future__ import annotations

from mcsec.ids import PurposeTag
from mcsec.mikey.numbers import PROTOCOL_SRTP
from mcsec.mikey.payloads import SecurityPolicy
from mcsec.mikey.refusals import POLICY

#: Parameter types with a name (RFC 3830 6.10.1, RFC 4771, RFC 7714).
PARAMETER_NAMES = {
    0: "encryption algorithm",
    1: "session encryption key length",
    2: "authentication algorithm",
    4: "session salt key length",
    5: "SRTP PRF",
    6: "key derivation rate",
    13: "ROC transmission rate",
    18: "ROC authentication tag length",
    19: "SRTCP authentication tag length",
    20: "AEAD authentication tag length",
}

_COMMON: dict[int, int] = {0: 6, 1: 16, 4: 12, 5: 0, 6: 0, 20: 16}
# The rollover counter travels with group media (RFC 4771, mode 3), so that late joiners can read.
_GROUP: dict[int, int] = _COMMON | {2: 4, 13: 1, 18: 4, 19: 0}


def policy_for(tag: PurposeTag) -> SecurityPolicy:
    """The SP payload that says what a message without one means for a key of this kind."""
    values = _GROUP if tag is PurposeTag.GMK else _COMMON
    return SecurityPolicy(tuple((number, bytes((value,))) for number, value in sorted(values.items())))


def check_policy(policy: SecurityPolicy) -> None:
    """Refuse everything but the supported values. Parameters may be absent, and those of group media present.

    :raises Refused: ``mikey.policy``.
    """
    if policy.protocol != PROTOCOL_SRTP:
        raise POLICY.because(f"SP for protocol {policy.protocol}")
    for number, value in policy.parameters:
        supported = _GROUP.get(number)
        if supported is None or value != bytes((supported,)):
            name = PARAMETER_NAMES.get(number, f"parameter {number}")
            raise POLICY.because(f"SP: {name} is {value.hex() or 'empty'}")
