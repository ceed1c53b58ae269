"""What an MCX server is told of the floors of all its calls: ``[server.calls.floor]``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from mcsec.net.config import Section
from mcsec.server.floor import STANDARD, FloorPolicy
from mcsec.wire.rtcp.floor_values import FloorMessageType

Seconds = Annotated[float, Field(gt=0, le=3600)]
Copies = Annotated[int, Field(ge=1, le=100)]


class Acknowledged(StrEnum):
    """Messages to one participant that can ask for a Floor Ack."""

    GRANTED = "granted"
    TAKEN = "taken"
    DENY = "deny"
    IDLE = "idle"
    QUEUE_POSITION_INFO = "queue-position-info"


class FloorSection(Section):
    """Timers and counters as in :class:`~mcsec.server.floor.FloorPolicy`; T2 and T4 are those of a group.

    ``acknowledge``: messages to one participant that ask for a Floor Ack. ``name_talkers``: Floor Taken says who talks.
    ``disclose_positions``: who waits is told the place in the queue.
    """

    t1: Seconds = STANDARD.t1
    t3: Annotated[float, Field(ge=0, le=3600)] = STANDARD.t3
    t7: Seconds = STANDARD.t7
    t8: Seconds = STANDARD.t8
    t11: Seconds = STANDARD.t11
    t12: Seconds = STANDARD.t12
    t20: Seconds = STANDARD.t20
    c7: Copies = STANDARD.c7
    c20: Copies = STANDARD.c20
    acknowledge: list[Acknowledged] = []
    name_talkers: bool = STANDARD.name_talkers
    disclose_positions: bool = STANDARD.disclose_positions

    @property
    def policy(self) -> FloorPolicy:
        """The same, before a group adds what is its own."""
        values = self.model_dump(exclude={"acknowledge"})
        return FloorPolicy(
            ask_ack=frozenset(FloorMessageType[one.name] for one in self.acknowledge), **values
        )
