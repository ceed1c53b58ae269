"""What is configured about the floor of a call: timers, counters (TS 24.380 clause 11), and the kind of call."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mcsec.errors import InvalidValue
from mcsec.wire.rtcp.floor_values import FloorMessageType, Source

_ACKNOWLEDGED = frozenset(
    {
        FloorMessageType.GRANTED,
        FloorMessageType.TAKEN,
        FloorMessageType.DENY,
        FloorMessageType.IDLE,
        FloorMessageType.QUEUE_POSITION_INFO,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloorPolicy:
    """How the floor of one call is controlled. Timers in seconds.

    ``t1``: silence of the talker. ``t2``: the longest talk. ``t3``: grace after a revoke. ``t4``: an idle call.
    ``t7``, ``c7``: between copies of Floor Idle, and how many. ``t8``: between copies of Floor Revoke. ``t11``,
    ``t12``: T1 and T2 of an overriding talker. ``t20``, ``c20``: between copies of Floor Granted, and how many.

    ``queue_limit``: requests that may wait; 0 is a call without queueing. ``pre_emptive_priority``: a request of at
    least this priority, and higher than the talker's, pre-empts; None: only urgency does. ``dual_floor``: a talker
    that would be pre-empted goes on beside the new one. ``audio_cut_in``: whoever asks talks, priorities and queueing
    count for nothing. ``broadcast_by``: in a broadcast group call, the only one who may talk. ``temporary_group``:
    the group is made of groups. ``name_talkers``: Floor Taken names who talks. ``disclose_positions``: places in the
    queue are told. ``ask_ack``: messages to one participant that ask for an acknowledgement. ``source``: what we are.
    """

    t1: float = 4.0
    t2: float = 30.0
    t3: float = 3.0
    t4: float = 30.0
    t7: float = 1.0
    t8: float = 1.0
    t11: float = 4.0
    t12: float = 30.0
    t20: float = 1.0
    c7: int = 3
    c20: int = 3
    queue_limit: int = 10
    pre_emptive_priority: int | None = 255
    dual_floor: bool = False
    audio_cut_in: bool = False
    broadcast_by: str | None = None
    temporary_group: bool = False
    name_talkers: bool = True
    disclose_positions: bool = True
    ask_ack: frozenset[FloorMessageType] = frozenset()
    source: Source = Source.CONTROLLING

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name[0] == "t" and field.name[1:].isdigit() and not value > 0 and field.name != "t3":
                raise InvalidValue(f"{field.name.upper()} is longer than 0 seconds", code="floor.policy")
        if self.t3 < 0 or self.c7 < 1 or self.c20 < 1:
            raise InvalidValue("T3 is 0 or longer, C7 and C20 are 1 or more", code="floor.policy")
        if not (self.t2 < 65536 and self.t12 < 65536):
            raise InvalidValue("Duration has 16 bits", code="floor.policy", clause="TS 24.380 8.2.3.3")
        if not 0 <= self.queue_limit < 254:
            raise InvalidValue("positions 254 and 255 mean other things", code="floor.policy")
        if not self.ask_ack <= _ACKNOWLEDGED:
            raise InvalidValue("only messages with an ack bit can ask for one", code="floor.policy")

    @property
    def queueing(self) -> bool:
        """Whether requests wait. Audio cut-in groups have no queueing (TS 24.380 14.1)."""
        return self.queue_limit > 0 and not self.audio_cut_in

    @property
    def grace(self) -> float:
        """T3, which audio cut-in groups do not have."""
        return 0.0 if self.audio_cut_in else self.t3


STANDARD = FloorPolicy()
"""The defaults of the specification, where it has any."""
