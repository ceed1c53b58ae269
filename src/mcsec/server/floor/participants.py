"""What each participant may do, as a table: the server's machine for one floor participant (TS 24.380 6.3.5).

Requests go on to :mod:`~mcsec.server.floor.arbitration`, whose decisions come back as steps. What a participant
sends in a state without a row for it is discarded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType


class ParticipantState(Enum):
    """What one participant may do."""

    START_STOP = "Start-stop"
    INITIATING = "U: not permitted and initiating"
    IDLE = "U: not permitted and Floor Idle"
    TAKEN = "U: not permitted and Floor Taken"
    PERMITTED = "U: permitted"
    PENDING_REVOKE = "U: pending Floor Revoke"
    SENDS_MEDIA = "U: not permitted but sends media"
    RELEASING = "Releasing"

    @property
    def may_talk(self) -> bool:
        """Whether media of the participant is forwarded."""
        return self in (ParticipantState.PERMITTED, ParticipantState.PENDING_REVOKE)


class Step(StrEnum):
    """What happens to a participant."""

    JOIN = "it joins"
    REQUEST = "Floor Request"
    RELEASE = "Floor Release"
    POSITION = "Floor Queue Position Request"
    MEDIA = "media from it"
    T8 = "T8 expires"
    QUIET = "no media from it for T1"
    TO_GRANTED = "the floor is granted to it"
    TO_REVOKED = "its floor is revoked"
    TO_IDLE = "the floor is idle"
    TO_TAKEN = "the floor is taken by another"
    CALM_IDLE = "it stopped while the floor is idle"
    CALM_TAKEN = "it stopped while the floor is taken"
    RELEASE_CALL = "the call is being released"
    LEAVE = "it left"


class Act(StrEnum):
    """What is done on the way."""

    ASK = "ask general arbitration"
    CANCEL = "take it out of the queue"
    TELL_STATE = "Floor Idle or Floor Taken to it"
    TELL_POSITION = "Floor Queue Position Info"
    FORWARD = "forward the media, tell general arbitration"
    END_BURST = "tell general arbitration"
    TELL_GRANTED = "Floor Granted again"
    START_T8 = "T8"
    REFUSE_MEDIA = "drop the media; Floor Revoke with cause 3, T8"
    DROP_MEDIA = "drop the media"
    REPEAT_REVOKE = "Floor Revoke again, T8"
    CALM = "no T8; tell it the state of the floor"
    STOP_T8 = "no T8"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a step leads, and what is done, in this order."""

    to: ParticipantState
    acts: tuple[Act, ...] = ()


_S = ParticipantState

_COMMON = {
    Step.RELEASE_CALL: Rule(_S.RELEASING, (Act.CANCEL, Act.STOP_T8)),
    Step.LEAVE: Rule(_S.START_STOP, (Act.CANCEL, Act.STOP_T8)),
}
_TOLD = {
    Step.TO_IDLE: Rule(_S.IDLE, (Act.STOP_T8,)),
    Step.TO_TAKEN: Rule(_S.TAKEN, (Act.STOP_T8,)),
}


def _may_not_talk(state: ParticipantState) -> dict[Step, Rule]:
    return {
        Step.REQUEST: Rule(state, (Act.ASK,)),
        Step.RELEASE: Rule(state, (Act.CANCEL, Act.TELL_STATE)),
        Step.POSITION: Rule(state, (Act.TELL_POSITION,)),
        Step.MEDIA: Rule(_S.SENDS_MEDIA, (Act.REFUSE_MEDIA,)),
        Step.TO_GRANTED: Rule(_S.PERMITTED),
        **_TOLD,
        **_COMMON,
    }


TABLE: Mapping[ParticipantState, Mapping[Step, Rule]] = MappingProxyType(
    {
        _S.START_STOP: MappingProxyType({Step.JOIN: Rule(_S.INITIATING)}),
        # Before the call is set up a request is kept, and its decision is made when the call is.
        _S.INITIATING: MappingProxyType(
            {
                Step.REQUEST: Rule(_S.INITIATING, (Act.ASK,)),
                Step.RELEASE: Rule(_S.INITIATING, (Act.CANCEL,)),
                Step.MEDIA: Rule(_S.INITIATING, (Act.DROP_MEDIA,)),
                Step.TO_GRANTED: Rule(_S.PERMITTED),
                **_TOLD,
                **_COMMON,
            }
        ),
        _S.IDLE: MappingProxyType(_may_not_talk(_S.IDLE)),
        _S.TAKEN: MappingProxyType(_may_not_talk(_S.TAKEN)),
        _S.PERMITTED: MappingProxyType(
            {
                Step.REQUEST: Rule(_S.PERMITTED, (Act.ASK,)),
                Step.RELEASE: Rule(_S.PERMITTED, (Act.END_BURST,)),
                # It asks for its place because it missed the grant.
                Step.POSITION: Rule(_S.PERMITTED, (Act.TELL_GRANTED,)),
                Step.MEDIA: Rule(_S.PERMITTED, (Act.FORWARD,)),
                Step.TO_REVOKED: Rule(_S.PENDING_REVOKE, (Act.START_T8,)),
                **_TOLD,
                **_COMMON,
            }
        ),
        _S.PENDING_REVOKE: MappingProxyType(
            {
                Step.RELEASE: Rule(_S.PENDING_REVOKE, (Act.END_BURST,)),
                Step.MEDIA: Rule(_S.PENDING_REVOKE, (Act.FORWARD,)),
                Step.T8: Rule(_S.PENDING_REVOKE, (Act.REPEAT_REVOKE,)),
                **_TOLD,
                **_COMMON,
            }
        ),
        # What happens to the floor does not end this: the participant itself has to stop.
        _S.SENDS_MEDIA: MappingProxyType(
            {
                Step.REQUEST: Rule(_S.SENDS_MEDIA, (Act.ASK,)),
                Step.RELEASE: Rule(_S.SENDS_MEDIA, (Act.CANCEL, Act.CALM)),
                Step.POSITION: Rule(_S.SENDS_MEDIA, (Act.TELL_POSITION,)),
                Step.MEDIA: Rule(_S.SENDS_MEDIA, (Act.DROP_MEDIA,)),
                Step.T8: Rule(_S.SENDS_MEDIA, (Act.REPEAT_REVOKE,)),
                Step.QUIET: Rule(_S.SENDS_MEDIA, (Act.CALM,)),
                Step.CALM_IDLE: Rule(_S.IDLE, (Act.STOP_T8, Act.TELL_STATE)),
                Step.CALM_TAKEN: Rule(_S.TAKEN, (Act.STOP_T8, Act.TELL_STATE)),
                Step.TO_GRANTED: Rule(_S.PERMITTED, (Act.STOP_T8,)),
                Step.TO_IDLE: Rule(_S.SENDS_MEDIA),
                Step.TO_TAKEN: Rule(_S.SENDS_MEDIA),
                **_COMMON,
            }
        ),
        _S.RELEASING: MappingProxyType(
            {
                Step.RELEASE_CALL: Rule(_S.RELEASING),
                Step.LEAVE: Rule(_S.START_STOP),
            }
        ),
    }
)
"""State, step, rule. A message or media without a row is discarded; any other step without one cannot happen."""
