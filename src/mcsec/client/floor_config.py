"""What clients are told of the floor in their calls: ``[client.floor]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from mcsec.client.calls.desk import POLICY
from mcsec.client.floor import ParticipantPolicy
from mcsec.net.config import Section

Seconds = Annotated[float, Field(gt=0, le=60)]
Copies = Annotated[int, Field(ge=1, le=20)]


class FloorSection(Section):
    """Timers, counters and manners as in :class:`~mcsec.client.floor.ParticipantPolicy`."""

    t100: Seconds = POLICY.t100
    t101: Seconds = POLICY.t101
    t103: Seconds = POLICY.t103
    t104: Seconds = POLICY.t104
    t132: Seconds = POLICY.t132
    c100: Copies = POLICY.c100
    c101: Copies = POLICY.c101
    c104: Copies = POLICY.c104
    talk_when_granted: bool = POLICY.talk_when_granted
    stay_queued: bool = POLICY.stay_queued
    ack_release: bool = POLICY.ack_release

    @property
    def policy(self) -> ParticipantPolicy:
        """The same for the participants."""
        return ParticipantPolicy(**self.model_dump())
