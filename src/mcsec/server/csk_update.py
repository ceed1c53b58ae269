"""When the server replaces a client's CSK: an operator asks for it, it is too old, or worn (TS 33.180 5.8)."""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyRenewalDue
from mcsec.server.function import Done, Function

#: CSKs that are replaced because of their age between two looks.
_AT_A_TIME = 500


def replace_csk(function: Function, user: str, now: float) -> Done:
    """Give a user's client a CSK in place of its present one, which stays in force until the client has the other.

    :raises InvalidValue: the user has no CSK.
    """
    return function.done(function.engine.replace_csk(user, now))


def replace_outdated_csks(function: Function, now: float) -> Done:
    """Replace the CSKs that are older than the operator wants; so many at a time that they do not come all at once."""
    done = Done()
    age = function.settings.csk_lifetime
    if age is not None:
        for user in function.engine.csks.outdated(age, now)[:_AT_A_TIME]:
            done += replace_csk(function, user, now)
    return done


def replace_worn(function: Function, happened: Iterable[Event], now: float) -> Done:
    """Replace the CSKs under which so much was sent that a successor is asked for."""
    done = Done()
    for event in list(happened):
        if isinstance(event, KeyRenewalDue) and event.key_id.tag is PurposeTag.CSK:
            owner = function.engine.csks.owner(event.key_id)
            if owner is not None:
                done += replace_csk(function, owner, now)
    return done
