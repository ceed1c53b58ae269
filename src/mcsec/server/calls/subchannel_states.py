"""MBMS subchannel control of one call on one bearer, as a table (TS 24.380 10.2; names of states are ours).

:mod:`mcsec.server.calls.subchannel` does what the acts say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType


class SubchannelState(Enum):
    """Whether the call is on the bearer."""

    NOT_ASSIGNED = "M: subchannel not assigned"
    ACTIVE = "M: subchannel active"
    RELEASING = "M: subchannel being released"


class Step(StrEnum):
    """What happens to the call, or to the bearer."""

    TRAFFIC = "floor control or media, and enough users listen"
    T15 = "T15 expires: nobody talked"
    T16 = "T16 expires"
    T17 = "T17 expires"
    C17 = "T17 expires, and C17 copies are sent"
    DESERTED = "too few users listen, or nothing may be broadcast"
    CALL_OVER = "the call is over for the users of this domain"
    BEARER_LOST = "the bearer is gone"


class Act(StrEnum):
    """What is done on the way."""

    ASSIGN = "assign a subchannel"
    MAP = "Map Group To Bearer, T16"
    FORWARD = "T15"
    UNMAP = "Unmap Group To Bearer, T17, one copy more"
    FREE = "give the subchannel back"
    STOP = "no timers"
    TO_UNICAST = "everybody by unicast"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a step leads, and what is done, in this order."""

    to: SubchannelState
    acts: tuple[Act, ...] = ()


_S = SubchannelState
_LEAVE = Rule(_S.RELEASING, (Act.STOP, Act.TO_UNICAST, Act.UNMAP))
_GONE = Rule(_S.NOT_ASSIGNED, (Act.STOP, Act.TO_UNICAST, Act.FREE))

TABLE: Mapping[SubchannelState, Mapping[Step, Rule]] = MappingProxyType(
    {
        _S.NOT_ASSIGNED: MappingProxyType(
            {Step.TRAFFIC: Rule(_S.ACTIVE, (Act.ASSIGN, Act.MAP, Act.FORWARD))}
        ),
        _S.ACTIVE: MappingProxyType(
            {
                Step.TRAFFIC: Rule(_S.ACTIVE, (Act.FORWARD,)),
                Step.T16: Rule(_S.ACTIVE, (Act.MAP,)),
                Step.T15: _LEAVE,
                Step.DESERTED: _LEAVE,
                Step.CALL_OVER: _LEAVE,
                Step.BEARER_LOST: _GONE,
            }
        ),
        _S.RELEASING: MappingProxyType(
            {
                Step.TRAFFIC: Rule(_S.ACTIVE, (Act.STOP, Act.MAP, Act.FORWARD)),
                Step.T17: Rule(_S.RELEASING, (Act.UNMAP,)),
                Step.C17: Rule(_S.NOT_ASSIGNED, (Act.STOP, Act.FREE)),
                Step.BEARER_LOST: _GONE,
            }
        ),
    }
)
"""State, step, rule. What is not here changes nothing: a message in a state without a procedure is discarded."""
