"""The four transaction machines of RFC 3261 17 with the corrections of RFC 6026, as tables.

A row says: in this state, on this input, do these things in order and be in that state. What a peer sends and
the table has no row for is absorbed: a retransmission, or late. What we ask for and the table has no row for is
:class:`mcsec.errors.WrongState`. A timer of zero length ends at once; on a reliable transport A, E and G never
start and D, I, J and K have zero length.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcsec.net.sip.timers import Timings


class State(StrEnum):
    """States of all four machines."""

    INITIAL = "initial"
    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


class Input(StrEnum):
    """What can happen to a transaction. ``RECEIVE_`` comes from the peer, ``SEND_`` from us."""

    START = "start"
    RECEIVE_REQUEST = "request again"
    RECEIVE_ACK = "ACK"
    RECEIVE_1XX = "1xx"
    RECEIVE_2XX = "2xx"
    RECEIVE_REFUSAL = "3xx-6xx"
    SEND_1XX = "send 1xx"
    SEND_2XX = "send 2xx"
    SEND_REFUSAL = "send 3xx-6xx"
    TRANSPORT_FAILED = "transport failed"
    TIMER_A = "timer A"
    TIMER_B = "timer B"
    TIMER_D = "timer D"
    TIMER_E = "timer E"
    TIMER_F = "timer F"
    TIMER_G = "timer G"
    TIMER_H = "timer H"
    TIMER_I = "timer I"
    TIMER_J = "timer J"
    TIMER_K = "timer K"
    TIMER_L = "timer L"
    TIMER_M = "timer M"
    TIMER_TRYING = "timer Trying"


class Do(StrEnum):
    """Things to do that need no argument."""

    SEND = "send"  # the request of a client, or the response that we were just given
    RESEND = "send again"  # the same octets as last time
    DELIVER = "deliver"  # hand the message to the user of the transaction
    ACK = "acknowledge"  # send the ACK that belongs to the transaction
    SEND_TRYING = "send 100"
    TIME_OUT = "report time-out"
    FAIL = "report transport failure"


@dataclass(frozen=True, slots=True)
class Start:
    """Start a timer; ``slow`` means the interval of RFC 3261 17.1.2.2 for Proceeding: T2 from the first on."""

    timer: Input
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Stop a timer."""

    timer: Input


Row = tuple[State, tuple[Do | Start | Stop, ...]]
Table = dict[State, dict[Input, Row]]

S, I = State, Input  # noqa: E741  # one-letter names keep the tables readable as tables

CLIENT_INVITE: Final[Table] = {
    S.INITIAL: {I.START: (S.CALLING, (Do.SEND, Start(I.TIMER_A), Start(I.TIMER_B)))},
    S.CALLING: {
        I.TIMER_A: (S.CALLING, (Do.RESEND, Start(I.TIMER_A))),
        I.TIMER_B: (S.TERMINATED, (Do.TIME_OUT,)),
        I.TRANSPORT_FAILED: (S.TERMINATED, (Do.FAIL,)),
        I.RECEIVE_1XX: (S.PROCEEDING, (Stop(I.TIMER_A), Stop(I.TIMER_B), Do.DELIVER)),
        I.RECEIVE_2XX: (S.ACCEPTED, (Stop(I.TIMER_A), Stop(I.TIMER_B), Do.DELIVER, Start(I.TIMER_M))),
        I.RECEIVE_REFUSAL: (
            S.COMPLETED,
            (Stop(I.TIMER_A), Stop(I.TIMER_B), Do.ACK, Do.DELIVER, Start(I.TIMER_D)),
        ),
    },
    S.PROCEEDING: {
        I.RECEIVE_1XX: (S.PROCEEDING, (Do.DELIVER,)),
        I.RECEIVE_2XX: (S.ACCEPTED, (Do.DELIVER, Start(I.TIMER_M))),
        I.RECEIVE_REFUSAL: (S.COMPLETED, (Do.ACK, Do.DELIVER, Start(I.TIMER_D))),
        I.TRANSPORT_FAILED: (S.TERMINATED, (Do.FAIL,)),
    },
    S.COMPLETED: {
        I.RECEIVE_REFUSAL: (S.COMPLETED, (Do.ACK,)),
        I.TRANSPORT_FAILED: (S.TERMINATED, (Do.FAIL,)),
        I.TIMER_D: (S.TERMINATED, ()),
    },
    S.ACCEPTED: {
        I.RECEIVE_2XX: (S.ACCEPTED, (Do.DELIVER,)),
        I.TIMER_M: (S.TERMINATED, ()),
    },
}

CLIENT_OTHER: Final[Table] = {
    S.INITIAL: {I.START: (S.TRYING, (Do.SEND, Start(I.TIMER_E), Start(I.TIMER_F)))},
    S.TRYING: {
        I.TIMER_E: (S.TRYING, (Do.RESEND, Start(I.TIMER_E))),
        I.TIMER_F: (S.TERMINATED, (Do.TIME_OUT,)),
        I.TRANSPORT_FAILED: (S.TERMINATED, (Do.FAIL,)),
        I.RECEIVE_1XX: (S.PROCEEDING, (Do.DELIVER,)),
        I.RECEIVE_2XX: (
            S.COMPLETED,
            (Stop(I.TIMER_E), Stop(I.TIMER_F), Do.DELIVER, Start(I.TIMER_K)),
        ),
        I.RECEIVE_REFUSAL: (
            S.COMPLETED,
            (Stop(I.TIMER_E), Stop(I.TIMER_F), Do.DELIVER, Start(I.TIMER_K)),
        ),
    },
    S.PROCEEDING: {
        I.TIMER_E: (S.PROCEEDING, (Do.RESEND, Start(I.TIMER_E, slow=True))),
        I.TIMER_F: (S.TERMINATED, (Do.TIME_OUT,)),
        I.TRANSPORT_FAILED: (S.TERMINATED, (Do.FAIL,)),
        I.RECEIVE_1XX: (S.PROCEEDING, (Do.DELIVER,)),
        I.RECEIVE_2XX: (
            S.COMPLETED,
            (Stop(I.TIMER_E), Stop(I.TIMER_F), Do.DELIVER, Start(I.TIMER_K)),
        ),
        I.RECEIVE_REFUSAL: (
            S.COMPLETED,
            (Stop(I.TIMER_E), Stop(I.TIMER_F), Do.DELIVER, Start(I.TIMER_K)),
        ),
    },
    S.COMPLETED: {I.TIMER_K: (S.TERMINATED, ())},
}

# A response that could not be sent is reported, and the machine stays where it is: RFC 6026 says so of Accepted, and
# elsewhere too the request may come again by a way that works (docs/readings/sip.md).
SERVER_INVITE: Final[Table] = {
    S.INITIAL: {I.START: (S.PROCEEDING, (Do.DELIVER, Start(I.TIMER_TRYING)))},
    S.PROCEEDING: {
        I.RECEIVE_REQUEST: (S.PROCEEDING, (Do.RESEND,)),
        I.TIMER_TRYING: (S.PROCEEDING, (Do.SEND_TRYING,)),
        I.SEND_1XX: (S.PROCEEDING, (Stop(I.TIMER_TRYING), Do.SEND)),
        I.SEND_2XX: (S.ACCEPTED, (Stop(I.TIMER_TRYING), Do.SEND, Start(I.TIMER_L))),
        I.SEND_REFUSAL: (
            S.COMPLETED,
            (Stop(I.TIMER_TRYING), Do.SEND, Start(I.TIMER_G), Start(I.TIMER_H)),
        ),
        I.TRANSPORT_FAILED: (S.PROCEEDING, (Do.FAIL,)),
    },
    S.COMPLETED: {
        I.RECEIVE_REQUEST: (S.COMPLETED, (Do.RESEND,)),
        I.RECEIVE_ACK: (S.CONFIRMED, (Stop(I.TIMER_G), Stop(I.TIMER_H), Start(I.TIMER_I))),
        I.TIMER_G: (S.COMPLETED, (Do.RESEND, Start(I.TIMER_G))),
        I.TIMER_H: (S.TERMINATED, (Do.TIME_OUT,)),
        I.TRANSPORT_FAILED: (S.COMPLETED, (Do.FAIL,)),
    },
    S.CONFIRMED: {I.TIMER_I: (S.TERMINATED, ())},
    S.ACCEPTED: {
        I.RECEIVE_ACK: (S.ACCEPTED, (Do.DELIVER,)),
        I.SEND_2XX: (S.ACCEPTED, (Do.SEND,)),
        I.TRANSPORT_FAILED: (S.ACCEPTED, (Do.FAIL,)),
        I.TIMER_L: (S.TERMINATED, ()),
    },
}

SERVER_OTHER: Final[Table] = {
    S.INITIAL: {I.START: (S.TRYING, (Do.DELIVER,))},
    S.TRYING: {
        I.SEND_1XX: (S.PROCEEDING, (Do.SEND,)),
        I.SEND_2XX: (S.COMPLETED, (Do.SEND, Start(I.TIMER_J))),
        I.SEND_REFUSAL: (S.COMPLETED, (Do.SEND, Start(I.TIMER_J))),
    },
    S.PROCEEDING: {
        I.RECEIVE_REQUEST: (S.PROCEEDING, (Do.RESEND,)),
        I.SEND_1XX: (S.PROCEEDING, (Do.SEND,)),
        I.SEND_2XX: (S.COMPLETED, (Do.SEND, Start(I.TIMER_J))),
        I.SEND_REFUSAL: (S.COMPLETED, (Do.SEND, Start(I.TIMER_J))),
        I.TRANSPORT_FAILED: (S.PROCEEDING, (Do.FAIL,)),
    },
    S.COMPLETED: {
        I.RECEIVE_REQUEST: (S.COMPLETED, (Do.RESEND,)),
        I.TRANSPORT_FAILED: (S.COMPLETED, (Do.FAIL,)),
        I.TIMER_J: (S.TERMINATED, ()),
    },
}

#: Timers that send something again, thus only where the transport may lose it, and how often they ran so far
#: doubles their interval. A may grow without bound (it ends with B), E and G stop growing at T2.
_RESENDING: Final = {I.TIMER_A: False, I.TIMER_E: True, I.TIMER_G: True}
#: Timers that wait for what the network may still hold: zero where it loses and repeats nothing.
_LINGERING: Final = (I.TIMER_D, I.TIMER_I, I.TIMER_J, I.TIMER_K)


def duration(timer: Input, timings: Timings, *, reliable: bool, ran: int, slow: bool) -> float | None:
    """The length of a timer in seconds, ``None`` for one that does not run on this transport.

    ``ran`` counts how often it fired before in this transaction.
    """
    if timer in _RESENDING:
        if reliable:
            return None
        if slow:
            return timings.t2
        interval = timings.t1 * float(2 ** min(ran, 16))
        return min(interval, timings.t2) if _RESENDING[timer] else interval
    if timer in _LINGERING and reliable:
        return 0.0
    if timer is I.TIMER_D:
        return max(timings.completed, timings.lifetime)
    if timer in (I.TIMER_I, I.TIMER_K):
        return timings.t4
    if timer is I.TIMER_TRYING:
        return timings.trying
    return timings.lifetime


def spreads(timer: Input) -> bool:
    """Whether the timer may be delayed by the random share of :class:`Timings`."""
    return timer in _RESENDING
