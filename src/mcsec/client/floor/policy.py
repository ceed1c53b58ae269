"""Timers and counters of a floor participant (TS 24.380 table 11.1.1-1), and what the user's device does."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mcsec.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantPolicy:
    """Timers in seconds; a counter is how often a message is sent.

    ``t100``, ``c100``: Floor Release. ``t101``, ``c101``: Floor Request. ``t103``: silence that ends a burst, the
    server's T1. ``t104``, ``c104``: Floor Queue Position Request. ``t132``: how long a user who waited may take to
    talk. ``talk_when_granted``: one who waited and still wants to talk need not act again. ``stay_queued``: who lets
    go of the button while waiting goes on waiting. ``ack_release``: Floor Release asks for an acknowledgement.
    """

    t100: float = 1.0
    t101: float = 1.0
    t103: float = 4.0
    t104: float = 1.0
    t132: float = 2.0
    c100: int = 3
    c101: int = 3
    c104: int = 3
    talk_when_granted: bool = False
    stay_queued: bool = False
    ack_release: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool) and not value > 0:
                raise InvalidValue(f"{field.name.upper()} is more than 0", code="floor.policy")


STANDARD = ParticipantPolicy()
"""The defaults."""
