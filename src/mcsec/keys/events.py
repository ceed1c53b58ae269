"""What happened to keys. Log, metrics, audit, dashboard and tests read these.

Each event is frozen, holds plain public values, and has a ``name`` that speaks of the kind at hand: a
:class:`KeyInstalled` of a MuSiK is called ``MuSiKInstalled``. No event has a field that could hold key
octets.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from mcsec.ids import KeyId


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at ``now`` (Unix seconds)."""

    now: float

    @property
    def name(self) -> str:
        """What happened, in one word."""
        return type(self).__name__

    def describe(self) -> dict[str, str | float]:
        """The event as plain values, for logs and records."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {"event": self.name} | {
            name: value if isinstance(value, float) else str(value)
            for name, value in values.items()
            if value is not None and value != ""
        }


@dataclass(frozen=True, slots=True)
class KeyEvent(Event):
    """Something happened to the key ``key_id``."""

    key_id: KeyId

    @property
    def name(self) -> str:
        """The class name, with the kind in place of "Key"."""
        return type(self).__name__.replace("Key", self.key_id.tag.label, 1)


# --- the sender's side


@dataclass(frozen=True, slots=True)
class KeyMade(KeyEvent):
    """A key was made here."""


@dataclass(frozen=True, slots=True)
class KeyOffered(KeyEvent):
    """Distribution to the members began; the switch happens at ``deadline`` at the latest."""

    deadline: float


@dataclass(frozen=True, slots=True)
class KeyHeld(KeyEvent):
    """``member`` answered that it holds the key."""

    member: str


@dataclass(frozen=True, slots=True)
class KeyDeliveryRefused(KeyEvent):
    """``member`` answered a download with a refusal."""

    member: str
    reason: str


@dataclass(frozen=True, slots=True)
class KeySwitched(KeyEvent):
    """Sending now happens under this key; ``lagging`` listeners did not hold it at that moment."""

    previous: KeyId | None
    reason: str
    lagging: int


@dataclass(frozen=True, slots=True)
class KeyRetired(KeyEvent):
    """Nothing is sent under the key any more; it stays readable until ``until``."""

    until: float


@dataclass(frozen=True, slots=True)
class KeyRenewalDue(KeyEvent):
    """The key that is sent under expires soon; a successor is wanted."""


@dataclass(frozen=True, slots=True)
class SendingPaused(Event):
    """Nothing is sent for ``scope`` until its new key is sent under, ``until`` at the latest."""

    scope: str
    until: float


@dataclass(frozen=True, slots=True)
class KeyRevoked(KeyEvent):
    """The key must not be used any more."""

    reason: str


@dataclass(frozen=True, slots=True)
class KeyDestroyed(KeyEvent):
    """The key's octets are gone."""

    reason: str


@dataclass(frozen=True, slots=True)
class ListenerMovedToBroadcast(KeyEvent):
    """``listener`` holds the key that is sent under, and is served by the broadcast from now on."""

    listener: str


@dataclass(frozen=True, slots=True)
class ListenerMovedToUnicast(Event):
    """``listener`` does not hold the key that is sent under, and is served by unicast from now on."""

    listener: str
    reason: str


@dataclass(frozen=True, slots=True)
class MemberRemoved(Event):
    """``member`` is no longer entitled to the keys of this scope, nor offered any later one."""

    member: str


@dataclass(frozen=True, slots=True)
class BroadcastRefused(Event):
    """Policy kept ``traffic`` of ``subject`` off the bearer."""

    traffic: str
    subject: str
    code: str
    reason: str


# --- the receiver's side


@dataclass(frozen=True, slots=True)
class KeyReceived(KeyEvent):
    """A message with the key was opened and verified: a CSK upload, or an MKFC from a GMS."""

    signer: str


@dataclass(frozen=True, slots=True)
class KeyInstalled(KeyEvent):
    """A downloaded key went into the keyring."""

    scope: str
    signer: str


@dataclass(frozen=True, slots=True)
class KeyUpdated(KeyEvent):
    """A key that was held already came again with another scope or other times."""

    scope: str
    signer: str


@dataclass(frozen=True, slots=True)
class KeyFirstUsed(KeyEvent):
    """The first packet under the key was sent, or was received and found authentic."""

    traffic: str
    subject: str


@dataclass(frozen=True, slots=True)
class DownloadRefused(Event):
    """A key download was not accepted; ``key_id`` is None where the message told none."""

    signer: str
    code: str
    reason: str
    key_id: KeyId | None = None


@dataclass(frozen=True, slots=True)
class KeyringWiped(Event):
    """All keys were destroyed at log-off."""

    keys: int
