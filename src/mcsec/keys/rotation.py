"""Make before break: how one key follows another (design 5.3).

A :class:`Rotation` looks after the keys of one kind and scope at their maker. It is told who is entitled
(members), who listens on the bearer (listeners) and who holds which key, and decides when to switch, who is
served by unicast meanwhile, and when the old key is destroyed. Sans-I/O: facts and ``now`` in, events out,
:meth:`Rotation.next_timer` says when to call :meth:`Rotation.poll`.

Who is *removed* must not read what is sent after the removal. So from that moment nothing is sent under any
key that the removed member may hold: the old key retires in the same call, before the new one is distributed.
What the others get until they hold the new key is the operator's choice, :class:`OnRemoval`; neither choice
sends under the old key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mcsec.errors import Forbidden, InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import events
from mcsec.keys.audience import Audience
from mcsec.keys.events import Event
from mcsec.keys.key import DEFAULT, Key, Scope
from mcsec.keys.lifecycle import Epoch, KeyState, Step

__all__ = ["OnRemoval", "Rotation", "RotationPolicy"]


class OnRemoval(StrEnum):
    """What listeners get between the removal of a member and their answer that they hold the new key."""

    #: Each is served by unicast under its own CSK and joins the broadcast as soon as it holds the new key.
    #: The default: floor control never stops, and only the listeners that are slow cost anything.
    SERVE_UNICAST = "serve-unicast"
    #: Nothing is sent until every listener answered or the deadline passed. For cells that could not carry
    #: the unicast.
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """The times of a rotation, in seconds.

    ``switch_after``: from offer to switch at the latest; listeners without the new key then go to unicast.
    ``grace``: how long an old key stays readable; keep it below the receivers' own limit.
    ``renew_before``: how long before expiry :class:`~mcsec.keys.events.KeyRenewalDue` asks for a successor.
    ``renew_index``: an SRTCP index at which it does so too, far ahead of the last one (2^31 - 1).
    """

    switch_after: float = 30.0
    grace: float = 60.0
    renew_before: float = 600.0
    on_removal: OnRemoval = OnRemoval.SERVE_UNICAST
    renew_index: int = 1 << 30


STANDARD = RotationPolicy()
"""The default times."""


class Rotation:
    """The keys that follow one another for one kind and scope.

    Every call that is told a fact returns the events that follow from it. The facts of one member cost the
    same among ten listeners and among ten thousand; a switch and a removal look at everybody once.

    To resume after a restart, pass the epochs and the audience that were written down, then call
    :meth:`poll`: its events tell anew who is reached by the broadcast.

    :raises InvalidValue: an epoch of another kind or scope, or two that are sent under or offered at a time.
    """

    def __init__(
        self,
        tag: PurposeTag,
        scope: Scope = DEFAULT,
        policy: RotationPolicy = STANDARD,
        *,
        epochs: Iterable[Epoch] = (),
        audience: Audience | None = None,
    ) -> None:
        self.tag = tag
        self.scope = scope
        self.policy = policy
        self.audience = audience or Audience()
        self._epochs = {epoch.key.key_id: epoch for epoch in epochs}
        self._renewal_told: KeyId | None = None
        for epoch in self._epochs.values():
            self._check_fits(epoch.key)
        self._active = self._only(KeyState.ACTIVE)
        self._pending = self._only(KeyState.OFFERED)
        self._awaited = self.audience.lagging(self._pending) if self._pending else set()
        self._served: KeyId | None = None

    # --- what is so

    @property
    def epochs(self) -> tuple[Epoch, ...]:
        """Every key that is not destroyed, oldest first: what a store writes down."""
        return tuple(self._epochs.values())

    @property
    def sending(self) -> Key | None:
        """The key that is sent under; None: nothing may be broadcast."""
        return self._epochs[self._active].key if self._active else None

    @property
    def pending(self) -> Key | None:
        """The key that is being distributed to follow."""
        return self._epochs[self._pending].key if self._pending else None

    @property
    def paused(self) -> bool:
        """Whether nothing may be sent at all until the switch (``OnRemoval.PAUSE``)."""
        return self._pending is not None and self._epochs[self._pending].blocking

    def holds(self, listener: str) -> bool:
        """Whether ``listener`` is reached by what is sent under :attr:`sending`."""
        return listener in self.audience.broadcast

    def unreached(self, listeners: Collection[str]) -> Collection[str]:
        """Those of ``listeners`` that are served by unicast; costs nothing for those that the broadcast
        reaches.

        Whoever was not told of by :meth:`listen` is not known here. So when another rotation becomes the one
        that is associated with a group, tell it of the group's listeners.
        """
        return [listener for listener in self.audience.unicast if listener in listeners]

    def deliverable(self, member: str) -> tuple[Key, ...]:
        """The keys that ``member`` is to be given: it is entitled to them and did not say that it holds
        them."""
        if member not in self.audience.members:
            return ()
        return tuple(
            epoch.key
            for key_id, epoch in self._epochs.items()
            if epoch.state.offered and not self.audience.holds(member, key_id)
        )

    def withdrawable(self, member: str) -> tuple[Key, ...]:
        """The revoked keys that ``member`` holds, of which it is to be told (TS 33.180 E.6: status)."""
        return tuple(
            epoch.key
            for key_id, epoch in self._epochs.items()
            if epoch.state is KeyState.REVOKED and self.audience.holds(member, key_id)
        )

    def next_timer(self) -> float | None:
        """When :meth:`poll` has something to do; None: not before another fact is told."""
        return min(self._timers(), default=None)

    # --- what happens to keys

    def offer(self, key: Key, now: float, *, at_least: float = 0.0) -> list[Event]:
        """Begin to distribute ``key``, which follows the present one. A key still pending is given up for
        it.

        ``at_least``: seconds that the distribution is known to take; the deadline of the policy is no shorter.
        """
        patience = max(self.policy.switch_after, at_least)
        return self._offer(key, now, patience, wait=True, blocking=self.paused) + self.poll(now)

    def wear(self, key_id: KeyId, now: float) -> list[Event]:
        """A key was used so often that a successor is wanted; asked for once."""
        if key_id != self._active or self._pending or key_id == self._renewal_told:
            return []
        self._renewal_told = key_id
        return [events.KeyRenewalDue(now, key_id)]

    def remove(self, members: Collection[str], replacement: Key, now: float) -> list[Event]:
        """Take ``members`` off, and rekey at once: see the top of this file.

        :raises InvalidValue: one of them is no member; nothing has changed.
        """
        if strangers := set(members) - self.audience.members:
            names = ", ".join(sorted(strangers))
            raise InvalidValue(f"not entitled before: {names}", code="keys.not-entitled")
        self._check_new(replacement)
        pause = self.policy.on_removal is OnRemoval.PAUSE
        happened: list[Event] = []
        for member in sorted(members):
            self.audience.dismiss(member)
            self._awaited.discard(member)
            happened.append(events.MemberRemoved(now, member))
        happened += self._stop_sending(now)
        happened += self._offer(replacement, now, self.policy.switch_after, wait=pause, blocking=pause)
        return happened + self._settle(now, "a member was removed")

    def revoke(self, key_id: KeyId, reason: str, now: float) -> list[Event]:
        """Stop all use of a key. If it was sent under, the pending key takes its place or listeners go to
        unicast."""
        epoch = self._find(key_id)
        self._epochs[key_id] = epoch.after(Step.REVOKE, now, until=now + self.policy.grace)
        self._clear(key_id)
        return [events.KeyRevoked(now, key_id, reason), *self._settle(now, "the key was revoked")]

    # --- what is told about members

    def admit(self, member: str) -> None:
        """``member`` is entitled to the keys from now on; :meth:`deliverable` tells which."""
        self.audience.members.add(member)

    def listen(self, listener: str, now: float) -> list[Event]:
        """A member reports that it listens on the bearer.

        :raises Forbidden: not a member, so not to be served.
        """
        if listener not in self.audience.members:
            raise Forbidden(f"{listener} is no member of {self.scope}", code="keys.not-entitled")
        if self.audience.listens(listener):
            return self.poll(now)
        self.audience.enter(listener)
        if self._pending and not self.audience.holds(listener, self._pending):
            self._awaited.add(listener)
        return self.audience.place(listener, self._active, now) + self.poll(now)

    def leave(self, listener: str, now: float) -> list[Event]:
        """A listener left the bearer. It stays entitled, and stays a holder."""
        self.audience.leave(listener)
        self._awaited.discard(listener)
        return self.poll(now)

    def held(self, member: str, key_id: KeyId, now: float) -> list[Event]:
        """``member`` answered that it holds the key. Late answers, of keys or members that are gone, change
        nothing."""
        return self.held_by([member], key_id, now)

    def held_by(self, members: Iterable[str], key_id: KeyId, now: float) -> list[Event]:
        """As :meth:`held`, of several members whose answers came together."""
        if key_id not in self._epochs:
            return []
        audience = self.audience
        answered = [member for member in members if member in audience.members]
        happened: list[Event] = [
            events.KeyHeld(now, key_id, member) for member in answered if audience.hold(member, key_id)
        ]
        if key_id == self._active:
            for member in answered:
                happened += audience.place(member, key_id, now)
        if key_id == self._pending:
            self._awaited.difference_update(answered)
        return happened + self.poll(now) if answered else happened

    def refused(self, member: str, key_id: KeyId, reason: str, now: float) -> list[Event]:
        """``member`` answered with a refusal. The switch does not wait for it; it is served by unicast."""
        if member not in self.audience.members or key_id not in self._epochs:
            return []
        if key_id == self._pending:
            self._awaited.discard(member)
        return [events.KeyDeliveryRefused(now, key_id, member, reason), *self.poll(now)]

    def withdrawn(self, member: str, key_id: KeyId) -> None:
        """``member`` answered that it knows of the revocation."""
        self.audience.release(member, key_id)

    # --- time

    def poll(self, now: float) -> list[Event]:
        """Do what is due at ``now``."""
        return self._settle(now, "the key expired")

    def _settle(self, now: float, reason: str) -> list[Event]:
        """Do what is due, then serve every listener as the key that is now sent under demands.

        ``reason`` is what those are told who lose the broadcast although no other key is sent under.
        """
        happened: list[Event] = []
        for key_id, epoch in list(self._epochs.items()):
            if epoch.key.expired(now):
                happened += self._destroy(key_id, Step.EXPIRE, now)
            elif epoch.state in (KeyState.RETIRING, KeyState.REVOKED) and _due(epoch.until, now):
                happened += self._destroy(key_id, Step.GRACE_END, now)
        if self._pending and now >= self._switch_time(self._epochs[self._pending]):
            happened += self._switch(self._pending, now)
        if self._active != self._served:
            self._served = self._active
            why = reason if self._active is None else "it does not hold the key that is sent under now"
            happened += self.audience.place_all(self._active, now, why)
        if self._active and self._active != self._renewal_told and _due(self._renewal_time(), now):
            self._renewal_told = self._active
            happened.append(events.KeyRenewalDue(now, self._active))
        return happened

    def _timers(self) -> Iterator[float]:
        for epoch in self._epochs.values():
            if epoch.key.expiry is not None:
                yield epoch.key.expiry
            if epoch.state in (KeyState.RETIRING, KeyState.REVOKED) and epoch.until is not None:
                yield epoch.until
        if self._pending:
            yield self._switch_time(self._epochs[self._pending])
        if (
            self._active
            and self._active != self._renewal_told
            and (renewal := self._renewal_time()) is not None
        ):
            yield renewal

    def _renewal_time(self) -> float | None:
        key = self.sending
        return key.expiry - self.policy.renew_before if key and key.expiry is not None else None

    def _switch_time(self, epoch: Epoch) -> float:
        # Where nothing is sent under another key, waiting would break what it is meant to keep whole.
        nothing_to_break = self._active is None and not epoch.blocking
        if nothing_to_break or not self._awaited or epoch.until is None:
            return epoch.key.activation
        return max(epoch.key.activation, epoch.until)

    # --- steps

    def _offer(self, key: Key, now: float, patience: float, *, wait: bool, blocking: bool) -> list[Event]:
        self._check_new(key)
        happened = self._destroy(self._pending, Step.SUPERSEDE, now) if self._pending else []
        wait = wait and (blocking or self._active is not None)
        deadline = now + patience if wait else now
        offered = Epoch(key, since=now).after(Step.OFFER, now, until=deadline, blocking=blocking)
        self._epochs[key.key_id] = offered
        self._pending = key.key_id
        self._awaited = self.audience.lagging(key.key_id)
        deadline = max(deadline, key.activation)
        happened.append(events.KeyOffered(now, key.key_id, deadline))
        return happened + ([events.SendingPaused(now, str(self.scope), deadline)] if blocking else [])

    def _switch(self, key_id: KeyId, now: float) -> list[Event]:
        step = Step.DEADLINE if self._awaited else Step.ANSWERED
        previous = self._active
        happened = self._stop_sending(now)
        self._epochs[key_id] = self._epochs[key_id].after(step, now)
        self._active, self._pending, self._awaited = key_id, None, set()
        lagging = len(self.audience.lagging(key_id))
        return [*happened, events.KeySwitched(now, key_id, previous, step.value, lagging)]

    def _stop_sending(self, now: float) -> list[Event]:
        if self._active is None:
            return []
        key_id, until = self._active, now + self.policy.grace
        self._epochs[key_id] = self._epochs[key_id].after(Step.SUPERSEDE, now, until=until)
        self._clear(key_id)
        return [events.KeyRetired(now, key_id, until)]

    def _destroy(self, key_id: KeyId, step: Step, now: float) -> list[Event]:
        self._epochs.pop(key_id).after(step, now)
        self._clear(key_id)
        self.audience.forget(key_id)
        return [events.KeyDestroyed(now, key_id, step.value)]

    def _clear(self, key_id: KeyId) -> None:
        if key_id == self._active:
            self._active = None
        if key_id == self._pending:
            self._pending, self._awaited = None, set()

    # --- checks

    def _find(self, key_id: KeyId) -> Epoch:
        if key_id not in self._epochs:
            raise InvalidValue(f"no key {key_id} for {self.scope}", code="keys.unknown")
        return self._epochs[key_id]

    def _only(self, state: KeyState) -> KeyId | None:
        found = [key_id for key_id, epoch in self._epochs.items() if epoch.state is state]
        if len(found) > 1:
            raise InvalidValue(f"{len(found)} keys for {self.scope} are {state.name.lower()}; one can be")
        return found[0] if found else None

    def _check_fits(self, key: Key) -> None:
        if key.key_id.tag is not self.tag or key.scope != self.scope:
            raise InvalidValue(f"{key!r} is none of the {self.tag.label}s for {self.scope}")

    def _check_new(self, key: Key) -> None:
        self._check_fits(key)
        if key.key_id in self._epochs:
            raise InvalidValue(f"{key!r} is known already", code="keys.id-live", clause="TS 33.180 5.2.2")


def _due(time: float | None, now: float) -> bool:
    return time is not None and now >= time
