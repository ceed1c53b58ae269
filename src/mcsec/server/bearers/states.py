"""The life of a bearer at the GCS AS, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType

from mcsec.errors import WrongState


class BearerState(Enum):
    """Where a bearer is in its life."""

    WANTED = "wanted; it has no TMGI"
    ALLOCATING = "a TMGI was asked for"
    ALLOCATED = "it has a TMGI and is not on the air"
    ACTIVATING = "its activation was asked for"
    STARTING = "accepted; the network is setting it up"
    ACTIVE = "on the air"
    MODIFYING = "on the air; a change was asked for"
    LEAVING = "on the air; its listeners are being moved to unicast"
    DEACTIVATING = "its end was asked for"
    LOST = "it was on the air; the network or the BM-SC ended it"
    EXPIRED = "its TMGI expired"
    RELEASED = "given up"

    @property
    def on_air(self) -> bool:
        """Whether what is sent to it reaches listeners."""
        return self in (BearerState.ACTIVE, BearerState.MODIFYING, BearerState.LEAVING)

    @property
    def waiting(self) -> bool:
        """Whether an answer or notification of the BM-SC is awaited."""
        return self in (
            BearerState.ALLOCATING,
            BearerState.ACTIVATING,
            BearerState.STARTING,
            BearerState.MODIFYING,
            BearerState.DEACTIVATING,
        )


class Step(StrEnum):
    """What moves a bearer on."""

    ASK_TMGI = "a TMGI is asked for"
    GOT_TMGI = "the BM-SC gave a TMGI"
    ASK_START = "activation is asked for"
    STARTED = "the BM-SC reports it active"
    ONGOING = "the BM-SC accepted, and is still setting it up"
    ASK_CHANGE = "a change is asked for"
    CHANGED = "the BM-SC made the change"
    REFUSED = "the BM-SC refused"
    GIVE_UP = "the operator gives it up"
    EMPTIED = "nobody is served by it any more"
    STOPPED = "the BM-SC ended it"
    TERMINATED = "the BM-SC reports its end"
    GONE = "the BM-SC is gone, or lost its state"
    EXPIRE = "the TMGI expired"
    RETRY = "another attempt is due"


_S = BearerState


def _row(**steps: BearerState) -> Mapping[Step, BearerState]:
    return MappingProxyType({Step[name]: state for name, state in steps.items()})


# A refused change leaves the bearer as it was. A refused end is an end all the same: the BM-SC no longer knows it.
# A BM-SC that is gone takes the bearer with it, but not the wish for it.
TRANSITIONS: Mapping[BearerState, Mapping[Step, BearerState]] = MappingProxyType(
    {
        _S.WANTED: _row(ASK_TMGI=_S.ALLOCATING, GIVE_UP=_S.RELEASED),
        _S.ALLOCATING: _row(GOT_TMGI=_S.ALLOCATED, REFUSED=_S.WANTED, GONE=_S.WANTED, GIVE_UP=_S.RELEASED),
        _S.ALLOCATED: _row(ASK_START=_S.ACTIVATING, EXPIRE=_S.EXPIRED, GONE=_S.WANTED, GIVE_UP=_S.RELEASED),
        _S.ACTIVATING: _row(
            STARTED=_S.ACTIVE,
            ONGOING=_S.STARTING,
            REFUSED=_S.ALLOCATED,
            EXPIRE=_S.EXPIRED,
            GONE=_S.WANTED,
            GIVE_UP=_S.RELEASED,
        ),
        _S.STARTING: _row(
            STARTED=_S.ACTIVE,
            REFUSED=_S.ALLOCATED,
            TERMINATED=_S.ALLOCATED,
            EXPIRE=_S.EXPIRED,
            GONE=_S.WANTED,
            GIVE_UP=_S.DEACTIVATING,
        ),
        _S.ACTIVE: _row(
            ASK_CHANGE=_S.MODIFYING,
            TERMINATED=_S.LOST,
            EXPIRE=_S.EXPIRED,
            GONE=_S.LOST,
            GIVE_UP=_S.LEAVING,
        ),
        _S.MODIFYING: _row(
            CHANGED=_S.ACTIVE,
            REFUSED=_S.ACTIVE,
            TERMINATED=_S.LOST,
            EXPIRE=_S.EXPIRED,
            GONE=_S.LOST,
            GIVE_UP=_S.LEAVING,
        ),
        _S.LEAVING: _row(
            EMPTIED=_S.DEACTIVATING, TERMINATED=_S.RELEASED, EXPIRE=_S.RELEASED, GONE=_S.RELEASED
        ),
        _S.DEACTIVATING: _row(
            STOPPED=_S.RELEASED,
            REFUSED=_S.RELEASED,
            TERMINATED=_S.RELEASED,
            EXPIRE=_S.RELEASED,
            GONE=_S.RELEASED,
        ),
        _S.LOST: _row(RETRY=_S.ALLOCATED, EXPIRE=_S.EXPIRED, GONE=_S.WANTED, GIVE_UP=_S.RELEASED),
        _S.EXPIRED: _row(RETRY=_S.WANTED, GONE=_S.WANTED, GIVE_UP=_S.RELEASED),
        _S.RELEASED: _row(),
    }
)
"""State, step, next state. What is not here cannot happen."""


def after(state: BearerState, step: Step) -> BearerState:
    """The next state.

    :raises WrongState: the step is not in the table.
    """
    target = TRANSITIONS[state].get(step)
    if target is None:
        raise WrongState(
            f"a bearer that is {state.name.lower()} has no step {step.name.lower()}",
            code="bearer.no-such-step",
        )
    return target
