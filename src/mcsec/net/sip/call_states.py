"""The life of a call as one table: our invitations and theirs (RFC 3261 9, 13, 14, 15)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from mcsec.net.sip.tables import follow


class CallState(StrEnum):
    """Where a call is."""

    CALLING = "calling"  # our INVITE waits for a final answer
    CANCELLING = "cancelling"  # we do not want it any more, and the answer is still to come
    OFFERED = "offered"  # their INVITE waits for our final answer
    ANSWERED = "answered"  # our 2xx waits for its ACK
    CONFIRMED = "confirmed"
    ENDED = "ended"


class CallInput(StrEnum):
    """What happens to a call."""

    WE_CANCEL = "we cancel"
    THEY_ACCEPT = "2xx received"
    THEY_REFUSE = "refusal received"
    NO_ANSWER = "no answer"
    WE_ACCEPT = "2xx sent"
    WE_REFUSE = "refusal sent"
    THEY_CANCEL = "CANCEL received"
    ACKNOWLEDGED = "ACK received"
    NOT_ACKNOWLEDGED = "no ACK in time"
    WE_HANG_UP = "BYE sent"
    THEY_HANG_UP = "BYE received"
    LOST = "the dialog is gone"


_S, _I = CallState, CallInput

CALL: Final[dict[CallState, dict[CallInput, CallState]]] = {
    _S.CALLING: {
        _I.WE_CANCEL: _S.CANCELLING,
        _I.THEY_ACCEPT: _S.CONFIRMED,
        _I.THEY_REFUSE: _S.ENDED,
        _I.NO_ANSWER: _S.ENDED,
    },
    # A 2xx that crosses our CANCEL makes a call all the same: it is acknowledged and ended by BYE.
    _S.CANCELLING: {
        _I.THEY_ACCEPT: _S.CONFIRMED,
        _I.THEY_REFUSE: _S.ENDED,
        _I.NO_ANSWER: _S.ENDED,
    },
    _S.OFFERED: {
        _I.WE_ACCEPT: _S.ANSWERED,
        _I.WE_REFUSE: _S.ENDED,
        _I.THEY_CANCEL: _S.ENDED,
    },
    _S.ANSWERED: {
        _I.ACKNOWLEDGED: _S.CONFIRMED,
        _I.NOT_ACKNOWLEDGED: _S.ENDED,
        _I.THEY_HANG_UP: _S.ENDED,
        _I.LOST: _S.ENDED,
    },
    _S.CONFIRMED: {
        _I.ACKNOWLEDGED: _S.CONFIRMED,
        _I.WE_HANG_UP: _S.ENDED,
        _I.THEY_HANG_UP: _S.ENDED,
        _I.LOST: _S.ENDED,
    },
    _S.ENDED: {},
}


def step(state: CallState, what: CallInput) -> CallState:
    """The next state of a call.

    :raises WrongState: the table has no such step.
    """
    return follow(CALL, state, what, "call")
