"""Who may talk in a call, as a table: general floor arbitration (TS 24.380 6.3.4), and its short form for the second
talker of dual floor control (6.3.6).

A step says what happened, a rule where that leads and what is done, in that order. This file knows neither messages
nor time; :mod:`mcsec.server.floor.engine` does what the acts say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType

from mcsec.wire.rtcp.floor_values import RevokeCause


class ArbitrationState(Enum):
    """Where the floor of a call is."""

    START_STOP = "Start-stop"
    INITIALISING = "G: Floor Initialising"
    IDLE = "G: Floor Idle"
    TAKEN = "G: Floor Taken"
    PENDING_REVOKE = "G: pending Floor Revoke"
    RELEASING = "Releasing"

    @property
    def held(self) -> bool:
        """Whether somebody has the floor."""
        return self in (ArbitrationState.TAKEN, ArbitrationState.PENDING_REVOKE)


class Step(StrEnum):
    """What moves the floor on."""

    INITIALISE = "the call waits for other servers"
    START = "the call is set up"
    NEXT = "somebody asks or waits for the floor"
    NOBODY = "nobody waits for the floor"
    T7 = "T7 expires"
    T4 = "T4 expires"
    MEDIA = "media of the talker"
    ASKED_AGAIN = "the talker asks again"
    T20 = "T20 expires"
    T1 = "the talker is silent: T1 expires"
    T2 = "the talker talks too long: T2 expires"
    T3 = "the grace ends: T3 expires"
    RELEASE = "the talker releases the floor"
    LEFT = "the talker leaves"
    PRE_EMPT = "a request pre-empts the talker"
    ALONE = "only the talker is left"
    REVOKE_ASKED = "another client has the talker stopped"
    RELEASE_CALL = "the call is being released"
    CALL_RELEASED = "the call is released"


class Act(StrEnum):
    """What is done on the way."""

    CHOOSE = "look who waits"
    GRANT = "Floor Granted to the first who waits, Floor Taken to all others; T1, T20, C20 = 1"
    REPEAT_GRANTED = "Floor Granted again"
    COUNT_GRANTED = "Floor Granted again until C20 are sent"
    HEARD = "T1 anew, T2 unless it runs, no T20"
    HEARD_LAST = "T1 anew"
    REVOKE = "Floor Revoke, T3, no T2 and T20"
    END = "the burst is over; no timers"
    FREE = "Floor Idle to all; T4, T7, C7 = 1"
    REPEAT_IDLE = "Floor Idle again until C7 are sent"
    TELL_INACTIVE = "tell call control; T4 anew"
    END_OVERRIDE = "Floor Idle with the dual floor bit to all"
    STOP = "nobody waits or talks any more; no timers"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a step leads, and what is done, in this order."""

    to: ArbitrationState
    acts: tuple[Act, ...] = ()


Table = Mapping[ArbitrationState, Mapping[Step, Rule]]

_S = ArbitrationState

_RELEASE = {Step.RELEASE_CALL: Rule(_S.RELEASING, (Act.STOP,))}
_OVER = Rule(_S.IDLE, (Act.END, Act.CHOOSE))
_REVOKE = Rule(_S.PENDING_REVOKE, (Act.REVOKE,))
_HELD = {
    Step.MEDIA: Rule(_S.TAKEN, (Act.HEARD,)),
    Step.ASKED_AGAIN: Rule(_S.TAKEN, (Act.REPEAT_GRANTED,)),
    Step.T20: Rule(_S.TAKEN, (Act.COUNT_GRANTED,)),
    Step.T1: _OVER,
    Step.RELEASE: _OVER,
    Step.LEFT: _OVER,
    Step.T2: _REVOKE,
    Step.PRE_EMPT: _REVOKE,
    Step.ALONE: _REVOKE,
    Step.REVOKE_ASKED: _REVOKE,
}
# Media is still relayed while a revoked talker comes to an end; only its silence and its time count.
_REVOKED = {
    Step.MEDIA: Rule(_S.PENDING_REVOKE, (Act.HEARD_LAST,)),
    Step.T1: _OVER,
    Step.T3: _OVER,
    Step.RELEASE: _OVER,
    Step.LEFT: _OVER,
}


def _table(rows: dict[ArbitrationState, dict[Step, Rule]]) -> Table:
    return MappingProxyType({state: MappingProxyType(steps) for state, steps in rows.items()})


GENERAL: Table = _table(
    {
        _S.START_STOP: {
            Step.INITIALISE: Rule(_S.INITIALISING),
            Step.START: Rule(_S.IDLE, (Act.CHOOSE,)),
            Step.RELEASE_CALL: Rule(_S.RELEASING, (Act.STOP,)),
        },
        _S.INITIALISING: {Step.START: Rule(_S.IDLE, (Act.CHOOSE,)), **_RELEASE},
        # The floor that falls idle while somebody waits is not announced as idle (6.3.4.3.2).
        _S.IDLE: {
            Step.NEXT: Rule(_S.TAKEN, (Act.GRANT,)),
            Step.NOBODY: Rule(_S.IDLE, (Act.FREE,)),
            Step.T7: Rule(_S.IDLE, (Act.REPEAT_IDLE,)),
            Step.T4: Rule(_S.IDLE, (Act.TELL_INACTIVE,)),
            **_RELEASE,
        },
        _S.TAKEN: {**_HELD, **_RELEASE},
        _S.PENDING_REVOKE: {**_REVOKED, **_RELEASE},
        _S.RELEASING: {Step.CALL_RELEASED: Rule(_S.START_STOP)},
    }
)
"""State, step, rule. What is not here cannot happen."""

DUAL: Table = _table(
    {
        _S.IDLE: {
            Step.NEXT: Rule(_S.TAKEN, (Act.GRANT,)),
            Step.NOBODY: Rule(_S.IDLE, (Act.END_OVERRIDE,)),
            **_RELEASE,
        },
        _S.TAKEN: {**_HELD, **_RELEASE},
        _S.PENDING_REVOKE: {**_REVOKED, **_RELEASE},
        _S.RELEASING: {Step.CALL_RELEASED: Rule(_S.IDLE)},
    }
)
"""The overriding talker of dual floor control: T11 for T1, T12 for T2, and idle means that nobody overrides."""

CAUSES: Mapping[Step, RevokeCause] = MappingProxyType(
    {
        Step.T2: RevokeCause.MEDIA_BURST_TOO_LONG,
        Step.PRE_EMPT: RevokeCause.MEDIA_BURST_PRE_EMPTED,
        Step.ALONE: RevokeCause.ONLY_ONE_CLIENT,
        Step.REVOKE_ASKED: RevokeCause.REVOKED_BY_ANOTHER_CLIENT,
    }
)
"""What a Floor Revoke gives as its cause (TS 24.380 8.2.10.2)."""
