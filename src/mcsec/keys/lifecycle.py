"""The life of a key at its maker, as a table. The diagram in ``docs/keys/lifecycle.md`` is made from it.

This file knows which steps exist; :mod:`mcsec.keys.rotation` knows when they happen. A key of which only one
state may be reached at a time (one active key for each scope) is the rotation's business too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from types import MappingProxyType

from mcsec.errors import WrongState
from mcsec.keys.key import Key

__all__ = ["TRANSITIONS", "Epoch", "KeyState", "Step"]


class KeyState(Enum):
    """Where a key is in its life."""

    MADE = "made, known to its maker only"
    OFFERED = "being distributed; the previous key is still sent under"
    ACTIVE = "sent under"
    RETIRING = "not sent under any more; still readable"
    REVOKED = "unusable; kept only to tell the holders so"
    DESTROYED = "gone"

    @property
    def offered(self) -> bool:
        """Whether a member that does not hold the key should be given it."""
        return self in (KeyState.OFFERED, KeyState.ACTIVE)


class Step(StrEnum):
    """What moves a key on."""

    OFFER = "distribution begins"
    ANSWERED = "every listener answered"
    DEADLINE = "the deadline passed, or no other key is sent under"
    SUPERSEDE = "another key takes its place"
    GRACE_END = "the grace period ended"
    REVOKE = "revoked"
    EXPIRE = "expired"


# A key that was never sent under needs no grace: nothing under it is on its way. An expired key needs none
# either: receivers refuse it from the same moment on (TS 24.380 13).
TRANSITIONS: Mapping[KeyState, Mapping[Step, KeyState]] = MappingProxyType(
    {
        KeyState.MADE: MappingProxyType(
            {
                Step.OFFER: KeyState.OFFERED,
                Step.REVOKE: KeyState.REVOKED,
                Step.EXPIRE: KeyState.DESTROYED,
            }
        ),
        KeyState.OFFERED: MappingProxyType(
            {
                Step.ANSWERED: KeyState.ACTIVE,
                Step.DEADLINE: KeyState.ACTIVE,
                Step.SUPERSEDE: KeyState.DESTROYED,
                Step.REVOKE: KeyState.REVOKED,
                Step.EXPIRE: KeyState.DESTROYED,
            }
        ),
        KeyState.ACTIVE: MappingProxyType(
            {
                Step.SUPERSEDE: KeyState.RETIRING,
                Step.REVOKE: KeyState.REVOKED,
                Step.EXPIRE: KeyState.DESTROYED,
            }
        ),
        KeyState.RETIRING: MappingProxyType(
            {
                Step.GRACE_END: KeyState.DESTROYED,
                Step.REVOKE: KeyState.REVOKED,
                Step.EXPIRE: KeyState.DESTROYED,
            }
        ),
        KeyState.REVOKED: MappingProxyType(
            {
                Step.GRACE_END: KeyState.DESTROYED,
                Step.EXPIRE: KeyState.DESTROYED,
            }
        ),
        KeyState.DESTROYED: MappingProxyType({}),
    }
)
"""State, step, next state. What is not here cannot happen."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """A key and where it is in its life: what a store writes down to resume after a restart.

    ``until`` is the switch's deadline in OFFERED and the end of the grace period in RETIRING and REVOKED
    (Unix seconds). ``blocking``: nothing is sent, neither by broadcast nor by unicast, until this key is sent
    under.
    """

    key: Key
    state: KeyState = KeyState.MADE
    since: float = 0.0
    until: float | None = None
    blocking: bool = False

    def after(self, step: Step, now: float, *, until: float | None = None, blocking: bool = False) -> Epoch:
        """The same key after ``step``.

        :raises WrongState: the step is not in the table.
        """
        target = TRANSITIONS[self.state].get(step)
        if target is None:
            raise WrongState(
                f"{self.key!r} is {self.state.name.lower()}: no step {step.name.lower()} leads on from there",
                code="keys.no-such-step",
            )
        return replace(self, state=target, since=now, until=until, blocking=blocking)
