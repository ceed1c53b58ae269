"""The life of a group call at a client as one table (TS 24.379 10.1.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from mcsec.errors import WrongState


class CallState(StrEnum):
    """Where a call is."""

    IDLE = "idle"
    CALLING = "calling"  # our INVITE waits for its answer
    ANSWERED = "answered"  # their INVITE has our 200, which waits for its ACK
    IN_CALL = "in call"
    LEAVING = "leaving"  # our BYE or CANCEL waits for its answer
    OVER = "over"


class CallStep(StrEnum):
    """What moves a call on."""

    CALL = "the user calls"
    INVITED = "an INVITE came and is accepted"
    ACCEPTED = "200 came"
    CONFIRMED = "ACK came"
    REFUSED = "a refusal came, or nothing"
    LEAVE = "the user leaves"
    RELEASED = "BYE came, or the dialog is lost"
    LEFT = "the leaving was answered"


_S, _T = CallState, CallStep

TABLE: Mapping[CallState, Mapping[CallStep, CallState]] = MappingProxyType(
    {
        _S.IDLE: {_T.CALL: _S.CALLING, _T.INVITED: _S.ANSWERED},
        _S.CALLING: {_T.ACCEPTED: _S.IN_CALL, _T.REFUSED: _S.OVER, _T.LEAVE: _S.LEAVING},
        _S.ANSWERED: {_T.CONFIRMED: _S.IN_CALL, _T.RELEASED: _S.OVER, _T.LEAVE: _S.LEAVING},
        _S.IN_CALL: {_T.LEAVE: _S.LEAVING, _T.RELEASED: _S.OVER},
        # A 200 or an ACK that crosses our leaving changes nothing: the SIP layer ends what it made.
        _S.LEAVING: {
            _T.ACCEPTED: _S.LEAVING,
            _T.CONFIRMED: _S.LEAVING,
            _T.REFUSED: _S.OVER,
            _T.RELEASED: _S.OVER,
            _T.LEFT: _S.OVER,
        },
        _S.OVER: {},
    }
)


def follow(state: CallState, step: CallStep) -> CallState:
    """The state after ``step``.

    :raises WrongState: the table has no such step.
    """
    after = TABLE[state].get(step)
    if after is None:
        raise WrongState(f"a call that is {state} has no step {step!r}", code="call.no-such-step")
    return after
