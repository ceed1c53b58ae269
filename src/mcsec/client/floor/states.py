"""What a floor participant does, as a table (TS 24.380 6.2.4).

A step says what happened, a rule where that leads and what is done, in that order. Messages from a bearer are the same
steps as messages by unicast. This file knows neither messages nor time; :mod:`mcsec.client.floor.engine` does what the
acts say. A step without a row changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType


class State(Enum):
    """Where a participant is."""

    START_STOP = "Start-stop"
    NO_PERMISSION = "U: has no permission"
    PENDING_REQUEST = "U: pending Request"
    HAS_PERMISSION = "U: has permission"
    PENDING_RELEASE = "U: pending Release"
    QUEUED = "U: queued"
    RELEASING = "Releasing"


class Step(StrEnum):
    """What moves a participant on. A floor message is about another talker unless it says otherwise."""

    START = "the call is set up"
    START_ASKING = "the call is set up with a request for the floor"
    START_GRANTED = "the call is set up and the floor is granted"
    PRESS = "the user wants to talk"
    PRESS_FORBIDDEN = "the user wants to talk, and nobody may ask"
    TAKE_TURN = "the user takes their turn"
    LET_GO = "the user wants to talk no longer"
    ASK_POSITION = "the user asks for the place in the queue"
    GRANTED = "Floor Granted that is waited for"
    GRANTED_UNWANTED = "Floor Granted that nobody waits for"
    DENY = "Floor Deny"
    DENY_UNWANTED = "Floor Deny of what nobody asks"
    QUEUED = "queue position, the user still waits"
    QUEUED_UNWANTED = "queue position, nobody waits"
    NOT_QUEUED = "not in the queue"
    CANCELLED = "a server message says that the request was cancelled"
    TAKEN = "Floor Taken"
    TAKEN_BESIDE = "Floor Taken for the other talker of dual floor"
    IDLE = "Floor Idle"
    IDLE_BESIDE = "Floor Idle for the other talker of dual floor"
    REVOKE = "Floor Revoke"
    MEDIA = "media of another"
    T100 = "T100 expires"
    T100_LAST = "T100 expires, C100 sent"
    T101 = "T101 expires"
    T101_LAST = "T101 expires, C101 sent"
    T103 = "T103 expires"
    T104 = "T104 expires"
    T104_LAST = "T104 expires, C104 sent"
    T132 = "T132 expires"
    RELEASE_CALL = "the call is being released"
    CALL_RELEASED = "the call is released"


class Act(StrEnum):
    """What is done on the way."""

    REQUEST = "Floor Request, T101, C101 = 1"
    AWAIT_ANSWER = "T101, C101 = 1"
    REPEAT_REQUEST = "Floor Request again, T101"
    STOP_ASKING = "no T101, T104, T132"
    RELEASE = "Floor Release, T100, C100 = 1"
    REPEAT_RELEASE = "Floor Release again, T100"
    GIVE_BACK = "Floor Release"
    STOP_RELEASING = "no T100"
    ASK_POSITION = "Floor Queue Position Request, T104, C104 = 1"
    REPEAT_POSITION = "Floor Queue Position Request again, T104"
    STOP_POSITION = "no T104"
    AWAIT_USER = "tell the user it is their turn; T132 unless it runs"
    TALK = "tell the user to talk"
    STOP_TALKING = "tell the user to stop"
    LISTEN = "tell the user who talks; T103"
    HEAR = "render; T103 anew"
    QUIET = "tell the user that nobody talks; no T103"
    QUIET_BESIDE = "tell the user that nobody talks beside the talker"
    BURST_OVER = "tell the user that the talker stopped"
    TELL_DENIED = "tell the user why not"
    TELL_QUEUED = "tell the user the place in the queue"
    TELL_CANCELLED = "tell the user that the request is cancelled"
    TELL_FORBIDDEN = "tell the user that nobody may ask"
    TELL_UNANSWERED = "tell the user that no answer came"
    STOP = "no timers"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a step leads, and what is done, in this order."""

    to: State
    acts: tuple[Act, ...] = ()


_S = State


def _hearing(state: State) -> dict[Step, Rule]:
    """What others do is told to the user, and leads nowhere."""
    return {
        Step.TAKEN: Rule(state, (Act.LISTEN,)),
        Step.TAKEN_BESIDE: Rule(state, (Act.LISTEN,)),
        Step.IDLE: Rule(state, (Act.QUIET,)),
        Step.IDLE_BESIDE: Rule(state, (Act.QUIET_BESIDE,)),
        Step.MEDIA: Rule(state, (Act.HEAR,)),
        Step.T103: Rule(state, (Act.BURST_OVER,)),
        Step.RELEASE_CALL: Rule(_S.RELEASING, (Act.STOP,)),
    }


_DENIED = Rule(_S.NO_PERMISSION, (Act.STOP_ASKING, Act.TELL_DENIED))
_GIVE_UP = Rule(_S.PENDING_RELEASE, (Act.STOP_ASKING, Act.RELEASE))
_STOP = Rule(_S.PENDING_RELEASE, (Act.STOP_TALKING, Act.RELEASE))
_TALK = Rule(_S.HAS_PERMISSION, (Act.STOP_ASKING, Act.STOP_RELEASING, Act.TALK))
_CANCELLED = Rule(_S.NO_PERMISSION, (Act.STOP_ASKING, Act.TELL_CANCELLED))


def _ended(act: Act) -> Rule:
    return Rule(_S.NO_PERMISSION, (Act.STOP_RELEASING, act))


TABLE: Mapping[State, Mapping[Step, Rule]] = MappingProxyType(
    {
        _S.START_STOP: MappingProxyType(
            {
                Step.START: Rule(_S.NO_PERMISSION),
                Step.START_ASKING: Rule(_S.PENDING_REQUEST, (Act.AWAIT_ANSWER,)),
                Step.START_GRANTED: Rule(_S.HAS_PERMISSION, (Act.TALK,)),
            }
        ),
        # What the server gives and nobody here waits for is given back, so that nobody waits for a silent talker.
        _S.NO_PERMISSION: MappingProxyType(
            {
                **_hearing(_S.NO_PERMISSION),
                Step.PRESS: Rule(_S.PENDING_REQUEST, (Act.REQUEST,)),
                Step.PRESS_FORBIDDEN: Rule(_S.NO_PERMISSION, (Act.TELL_FORBIDDEN,)),
                Step.DENY: Rule(_S.NO_PERMISSION, (Act.TELL_DENIED,)),
                Step.GRANTED: _TALK,
                Step.GRANTED_UNWANTED: Rule(_S.PENDING_RELEASE, (Act.RELEASE,)),
                Step.QUEUED: Rule(_S.QUEUED, (Act.TELL_QUEUED,)),
                Step.QUEUED_UNWANTED: Rule(_S.NO_PERMISSION, (Act.GIVE_BACK,)),
                Step.REVOKE: Rule(_S.NO_PERMISSION, (Act.GIVE_BACK,)),
            }
        ),
        _S.PENDING_REQUEST: MappingProxyType(
            {
                **_hearing(_S.PENDING_REQUEST),
                Step.GRANTED: _TALK,
                Step.DENY: _DENIED,
                Step.QUEUED: Rule(_S.QUEUED, (Act.STOP_ASKING, Act.TELL_QUEUED)),
                Step.TAKEN: Rule(_S.NO_PERMISSION, (Act.STOP_ASKING, Act.LISTEN)),
                Step.REVOKE: _GIVE_UP,
                Step.LET_GO: _GIVE_UP,
                Step.CANCELLED: _CANCELLED,
                Step.T101: Rule(_S.PENDING_REQUEST, (Act.REPEAT_REQUEST,)),
                Step.T101_LAST: Rule(_S.NO_PERMISSION, (Act.STOP_ASKING, Act.TELL_UNANSWERED)),
            }
        ),
        # Floor Idle and Floor Taken say that the server thinks otherwise: the floor is given back.
        _S.HAS_PERMISSION: MappingProxyType(
            {
                **_hearing(_S.HAS_PERMISSION),
                Step.LET_GO: _STOP,
                Step.REVOKE: _STOP,
                Step.IDLE: Rule(_S.PENDING_RELEASE, (Act.STOP_TALKING, Act.QUIET, Act.RELEASE)),
                Step.TAKEN: Rule(_S.PENDING_RELEASE, (Act.STOP_TALKING, Act.LISTEN, Act.RELEASE)),
                Step.DENY: Rule(_S.NO_PERMISSION, (Act.STOP_TALKING, Act.STOP_RELEASING, Act.TELL_DENIED)),
            }
        ),
        _S.PENDING_RELEASE: MappingProxyType(
            {
                **_hearing(_S.PENDING_RELEASE),
                Step.IDLE: _ended(Act.QUIET),
                Step.IDLE_BESIDE: _ended(Act.QUIET_BESIDE),
                Step.TAKEN: _ended(Act.LISTEN),
                Step.TAKEN_BESIDE: _ended(Act.LISTEN),
                Step.MEDIA: _ended(Act.HEAR),
                Step.DENY: Rule(_S.NO_PERMISSION, (Act.STOP_RELEASING,)),
                Step.T100: Rule(_S.PENDING_RELEASE, (Act.REPEAT_RELEASE,)),
                Step.T100_LAST: Rule(_S.NO_PERMISSION, (Act.STOP_RELEASING,)),
            }
        ),
        _S.QUEUED: MappingProxyType(
            {
                **_hearing(_S.QUEUED),
                Step.GRANTED: Rule(_S.QUEUED, (Act.AWAIT_USER,)),
                Step.TAKE_TURN: _TALK,
                Step.QUEUED: Rule(_S.QUEUED, (Act.STOP_POSITION, Act.TELL_QUEUED)),
                Step.NOT_QUEUED: _CANCELLED,
                Step.CANCELLED: _CANCELLED,
                Step.DENY: _DENIED,
                Step.REVOKE: Rule(_S.NO_PERMISSION, (Act.STOP_ASKING, Act.GIVE_BACK, Act.TELL_CANCELLED)),
                Step.LET_GO: _GIVE_UP,
                Step.T132: _GIVE_UP,
                Step.ASK_POSITION: Rule(_S.QUEUED, (Act.ASK_POSITION,)),
                Step.T104: Rule(_S.QUEUED, (Act.REPEAT_POSITION,)),
                Step.T104_LAST: Rule(_S.QUEUED, (Act.STOP_POSITION,)),
            }
        ),
        _S.RELEASING: MappingProxyType({Step.CALL_RELEASED: Rule(_S.START_STOP)}),
    }
)
"""State, step, rule."""
