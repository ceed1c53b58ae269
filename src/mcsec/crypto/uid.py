"""How an identity becomes a number: the UID of TS 33.180 F.2.1, and the key periods it counts.

A UID is a hash of the identity's URI, the URI of its KMS and the number of a key period; SAKKE and ECCSI take it for
the identity. URIs are hashed exactly as they are written, without any normalisation. Key periods count from 1900, as
NTP does; the time of a *message*, not of its arrival, picks the number.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache

from mcsec.errors import InvalidValue
from mcsec.ids import NTP_OF_UNIX_EPOCH

#: Octets of a UID.
UID_OCTETS = 32

_CLAUSE = "TS 33.180 F.2.1"
_MAX_LENGTH = 0xFFFF
_CACHED_UIDS = 16_384


def ntp_seconds(unix_time: float) -> int:
    """Whole seconds since 1900 of a time in seconds since 1970; they go on counting past the NTP era's end in 2036."""
    return math.floor(unix_time) + NTP_OF_UNIX_EPOCH


def unix_seconds(ntp_seconds: int) -> int:
    """Whole seconds since 1970 of whole seconds since 1900."""
    return ntp_seconds - NTP_OF_UNIX_EPOCH


def check_period(period: int, offset: int) -> None:
    """Check a KMS's UserKeyPeriod and UserKeyOffset, both in seconds.

    :raises InvalidValue: unless 0 <= offset < period.
    """
    if not 0 <= offset < period:
        raise InvalidValue(
            f"a key period of {period} s with an offset of {offset} s", code="uid.period", clause=_CLAUSE
        )


def period_number(ntp_seconds: int, period: int, offset: int) -> int:
    """The number of the key period that a time lies in.

    :param ntp_seconds: seconds since 1900.
    :param period: UserKeyPeriod, seconds.
    :param offset: UserKeyOffset, seconds, less than ``period``.
    :raises InvalidValue: offset and period do not fit, or the time is before the first period.
    """
    check_period(period, offset)
    if ntp_seconds < offset:
        raise InvalidValue("a time before the first key period", code="uid.period", clause=_CLAUSE)
    return (ntp_seconds - offset) // period


def period_start(period_no: int, period: int, offset: int) -> int:
    """When a key period begins, in seconds since 1970; it ends where the next one begins."""
    return unix_seconds(period_no * period + offset)


def shortest(number: int) -> bytes:
    """A number in as few big-endian octets as it needs; zero is one octet 00 (TS 33.180 F.2.1).

    :raises InvalidValue: the number is negative.
    """
    if number < 0:
        raise InvalidValue("a negative number has no encoding", clause=_CLAUSE)
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8))


def uid(uri: str, kms_uri: str, period: int, offset: int, period_no: int) -> bytes:
    """The UID of an identity in one key period, 32 octets (TS 33.180 F.2.1). Remembers the latest it was asked for.

    :param uri: the MC service ID or server URI, exactly as it is used.
    :param kms_uri: the identity's KMS.
    :param period: UserKeyPeriod, seconds.
    :param offset: UserKeyOffset, seconds, less than ``period``.
    :param period_no: see :func:`period_number`.
    :raises InvalidValue: a URI is empty, too long or no Unicode text; a number is out of range.
    """
    check_period(period, offset)
    return _uid(uri, kms_uri, period, offset, period_no)


@lru_cache(_CACHED_UIDS)
def _uid(uri: str, kms_uri: str, period: int, offset: int, period_no: int) -> bytes:
    # P0..P5, each followed by its length in two octets; FC is a dummy, for this is a plain hash.
    parameters = (b"MIKEY-SAKKE-UID", _text(uri), _text(kms_uri), *map(shortest, (period, offset, period_no)))
    return hashlib.sha256(
        b"\0" + b"".join(parameter + len(parameter).to_bytes(2) for parameter in parameters)
    ).digest()


def _text(uri: str) -> bytes:
    try:
        octets = uri.encode()
    except UnicodeEncodeError:
        raise InvalidValue("a URI that is no Unicode text", code="uid.uri", clause=_CLAUSE) from None
    if not 0 < len(octets) <= _MAX_LENGTH:
        raise InvalidValue(f"a URI of {len(octets)} octets", code="uid.uri", clause=_CLAUSE)
    return octets
