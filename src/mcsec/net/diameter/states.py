"""The peer state machine of RFC 6733 5.6, as a table.

Two connections may be under way to one peer: the one we dialled (I, initiator) and one it dialled (R, responder). A row
says: in this state, on this input, do these things in order and be in that state. What the table has no row for
changes nothing, except that a connection it came on is closed where the row would be a protocol error.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """States of a peer."""

    CLOSED = "closed"
    WAIT_CONN_ACK = "wait-conn-ack"
    WAIT_I_CEA = "wait-i-cea"
    WAIT_CONN_ACK_ELECT = "wait-conn-ack/elect"
    WAIT_RETURNS = "wait-returns"
    R_OPEN = "r-open"
    I_OPEN = "i-open"
    CLOSING = "closing"

    @property
    def is_open(self) -> bool:
        """Whether messages pass."""
        return self is State.R_OPEN or self is State.I_OPEN


class Input(StrEnum):
    """What can happen to a peer."""

    START = "start"
    STOP = "stop"
    TIMEOUT = "timeout"
    WIN_ELECTION = "win-election"
    R_CER = "r-conn-cer"
    I_CONN_ACK = "i-rcv-conn-ack"
    I_CONN_NACK = "i-rcv-conn-nack"
    I_CEA = "i-rcv-cea"
    I_NON_CEA = "i-rcv-non-cea"
    I_DPR = "i-rcv-dpr"
    R_DPR = "r-rcv-dpr"
    I_DPA = "i-rcv-dpa"
    R_DPA = "r-rcv-dpa"
    I_DISC = "i-peer-disc"
    R_DISC = "r-peer-disc"


class Do(StrEnum):
    """Things to do."""

    DIAL = "i-snd-conn-req"
    ELECT = "elect"
    SEND_CER = "i-snd-cer"
    SEND_CEA = "r-snd-cea"
    SEND_DPR = "snd-dpr"
    SEND_DPA = "snd-dpa"
    ACCEPT = "r-accept"
    REJECT = "r-reject"
    PROBE = "probe"
    I_CLOSE = "i-disc"
    R_CLOSE = "r-disc"


S, I = State, Input  # noqa: E741  # one-letter names keep the table readable as a table

_CLOSE = (Do.I_CLOSE, Do.R_CLOSE)

#: A second CER while open is refused as the RFC says, and the open connection is probed: a peer that lost power
#: comes back long before the watchdog misses it, and the probe finds the old connection dead at once.
PEER: Final[dict[State, dict[Input, tuple[State, tuple[Do, ...]]]]] = {
    S.CLOSED: {
        I.START: (S.WAIT_CONN_ACK, (Do.DIAL,)),
        I.R_CER: (S.R_OPEN, (Do.ACCEPT, Do.SEND_CEA)),
    },
    S.WAIT_CONN_ACK: {
        I.I_CONN_ACK: (S.WAIT_I_CEA, (Do.SEND_CER,)),
        I.I_CONN_NACK: (S.CLOSED, (Do.I_CLOSE,)),
        I.R_CER: (S.WAIT_CONN_ACK_ELECT, (Do.ACCEPT,)),
        I.TIMEOUT: (S.CLOSED, _CLOSE),
        I.STOP: (S.CLOSED, _CLOSE),
    },
    S.WAIT_I_CEA: {
        I.I_CEA: (S.I_OPEN, ()),
        I.R_CER: (S.WAIT_RETURNS, (Do.ACCEPT, Do.ELECT)),
        I.I_DISC: (S.CLOSED, (Do.I_CLOSE,)),
        I.I_NON_CEA: (S.CLOSED, (Do.I_CLOSE,)),
        I.TIMEOUT: (S.CLOSED, _CLOSE),
        I.STOP: (S.CLOSED, _CLOSE),
    },
    S.WAIT_CONN_ACK_ELECT: {
        I.I_CONN_ACK: (S.WAIT_RETURNS, (Do.SEND_CER, Do.ELECT)),
        I.I_CONN_NACK: (S.R_OPEN, (Do.I_CLOSE, Do.SEND_CEA)),
        I.R_DISC: (S.WAIT_CONN_ACK, (Do.R_CLOSE,)),
        I.R_CER: (S.WAIT_CONN_ACK_ELECT, (Do.REJECT,)),
        I.TIMEOUT: (S.CLOSED, _CLOSE),
        I.STOP: (S.CLOSED, _CLOSE),
    },
    S.WAIT_RETURNS: {
        I.WIN_ELECTION: (S.R_OPEN, (Do.I_CLOSE, Do.SEND_CEA)),
        I.I_DISC: (S.R_OPEN, (Do.I_CLOSE, Do.SEND_CEA)),
        I.I_NON_CEA: (S.R_OPEN, (Do.I_CLOSE, Do.SEND_CEA)),
        I.I_CEA: (S.I_OPEN, (Do.R_CLOSE,)),
        I.R_DISC: (S.WAIT_I_CEA, (Do.R_CLOSE,)),
        I.R_CER: (S.WAIT_RETURNS, (Do.REJECT,)),
        I.TIMEOUT: (S.CLOSED, _CLOSE),
        I.STOP: (S.CLOSED, _CLOSE),
    },
    S.R_OPEN: {
        I.R_CER: (S.R_OPEN, (Do.REJECT, Do.PROBE)),
        I.R_DPR: (S.CLOSING, (Do.SEND_DPA,)),
        I.R_DISC: (S.CLOSED, (Do.R_CLOSE,)),
        I.STOP: (S.CLOSING, (Do.SEND_DPR,)),
    },
    S.I_OPEN: {
        I.R_CER: (S.I_OPEN, (Do.REJECT, Do.PROBE)),
        I.I_DPR: (S.CLOSING, (Do.SEND_DPA,)),
        I.I_DISC: (S.CLOSED, (Do.I_CLOSE,)),
        I.STOP: (S.CLOSING, (Do.SEND_DPR,)),
    },
    S.CLOSING: {
        # Both sides may say good-bye at once.
        I.I_DPR: (S.CLOSING, (Do.SEND_DPA,)),
        I.R_DPR: (S.CLOSING, (Do.SEND_DPA,)),
        I.I_DPA: (S.CLOSED, _CLOSE),
        I.R_DPA: (S.CLOSED, _CLOSE),
        I.I_DISC: (S.CLOSED, _CLOSE),
        I.R_DISC: (S.CLOSED, _CLOSE),
        I.R_CER: (S.CLOSING, (Do.REJECT,)),
        I.TIMEOUT: (S.CLOSED, _CLOSE),
    },
}
