"""A group call at its controlling function, as a table (TS 24.379 10.1.1.4, 10.1.2.4, 6.3.3).

A step says what happened, a rule where that leads and what is done, in that order. This file knows neither messages
nor time; :mod:`mcsec.server.calls.controlling` does what the acts say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType


class CallState(Enum):
    """Where a call is."""

    START_STOP = "Start-stop"
    GATHERING = "C: waits for members"
    ESTABLISHED = "C: established"
    RELEASING = "Releasing"
    RELEASED = "Released"

    @property
    def alive(self) -> bool:
        """Whether somebody can join."""
        return self in (CallState.GATHERING, CallState.ESTABLISHED)


class Step(StrEnum):
    """What moves a call on."""

    CALLED = "a member makes a prearranged call"
    ENTERED = "a member enters a chat"
    JOINED = "another member joins"
    ENOUGH = "as many members as are needed have answered"
    TNG1 = "TNG1 expires"
    ALONE = "too few members are left"
    INACTIVE = "the floor was idle for T4"
    TNG3 = "TNG3 expires"
    ORDERED = "somebody entitled releases the call"
    LAST_LEFT = "nobody is left"


class Act(StrEnum):
    """What is done on the way."""

    INVITE = "invite the other members"
    START_TNG1 = "TNG1"
    STOP_TNG1 = "no TNG1"
    START_TNG3 = "TNG3"
    OPEN_FLOOR = "open the floor"
    JUDGE = "go on without those who did not answer, or release"
    END_LEGS = "BYE to everybody; nobody talks any more"
    TELL_ENDED = "tell that the call is over"
    CLOSE_FLOOR = "close the floor"
    STOP_TIMERS = "no timer"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a step leads, and what is done, in this order."""

    to: CallState
    acts: tuple[Act, ...] = ()


_S = CallState
_END = Rule(_S.RELEASING, (Act.STOP_TIMERS, Act.END_LEGS, Act.TELL_ENDED))
_COMMON = {
    Step.ALONE: _END,
    Step.TNG3: _END,
    Step.ORDERED: _END,
    Step.LAST_LEFT: Rule(_S.RELEASED, (Act.STOP_TIMERS, Act.END_LEGS, Act.TELL_ENDED, Act.CLOSE_FLOOR)),
}

TABLE: Mapping[CallState, Mapping[Step, Rule]] = MappingProxyType(
    {
        _S.START_STOP: MappingProxyType(
            {
                Step.CALLED: Rule(_S.GATHERING, (Act.START_TNG1, Act.START_TNG3, Act.INVITE)),
                Step.ENTERED: Rule(_S.ESTABLISHED, (Act.START_TNG3, Act.OPEN_FLOOR)),
            }
        ),
        _S.GATHERING: MappingProxyType(
            {
                Step.JOINED: Rule(_S.GATHERING),
                Step.ENOUGH: Rule(_S.ESTABLISHED, (Act.STOP_TNG1, Act.OPEN_FLOOR)),
                Step.TNG1: Rule(_S.GATHERING, (Act.JUDGE,)),
                **_COMMON,
            }
        ),
        _S.ESTABLISHED: MappingProxyType({Step.JOINED: Rule(_S.ESTABLISHED), Step.INACTIVE: _END, **_COMMON}),
        _S.RELEASING: MappingProxyType({Step.LAST_LEFT: Rule(_S.RELEASED, (Act.CLOSE_FLOOR,))}),
        _S.RELEASED: MappingProxyType({}),
    }
)
"""State, step, rule. A step without a row cannot happen."""
