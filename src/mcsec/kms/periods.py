"""Which key periods a request is about: the present one and the next, and no others."""

from __future__ import annotations

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.crypto.uid import ntp_seconds, period_number, period_start
from mcsec.kms.refusals import KmsRefusal

_ERA = 1 << 32


def wanted(public: KmsPublicKeys, now: float, ahead: int, asked: int | None) -> tuple[int, ...]:
    """The numbers of the key periods to provision.

    :param now: Unix seconds.
    :param ahead: the next period comes along when no more than these seconds are left of the present one.
    :param asked: a 64-bit NTP time that a client asked for; None for now.
    :raises KmsRefusal: neither the present period nor the next (404).
    """
    present = public.period_at(now)
    if asked is None:
        left = period_start(present + 1, public.period, public.offset) - now
        return (present, present + 1) if left <= ahead else (present,)
    seconds = _unfold(asked >> 32, ntp_seconds(now))
    number = period_number(seconds, public.period, public.offset) if seconds >= public.offset else -1
    if number not in (present, present + 1):
        raise KmsRefusal(
            404,
            "a key period that is neither the present one nor the next",
            code="kms.period",
            clause="TS 33.180 D.2.3",
            hint="compare the clocks of client and KMS",
        )
    return (number,)


def _unfold(seconds: int, near: int) -> int:
    """32 bits of NTP seconds as the time nearest to ``near``: NTP starts over in 2036."""
    era = (near - seconds + _ERA // 2) // _ERA
    return seconds + max(era, 0) * _ERA
