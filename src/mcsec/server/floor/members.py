"""Who takes part in a call, and what a request of theirs is worth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

from mcsec.errors import InvalidValue
from mcsec.server.floor.policy import FloorPolicy
from mcsec.wire.rtcp.floor import FloorRequest
from mcsec.wire.rtcp.floor_values import FloorIndicator, TrackInfo


class Urgency(IntEnum):
    """What a request is about; more urgent is greater."""

    NORMAL = 0
    IMMINENT_PERIL = 1
    EMERGENCY = 2

    @property
    def indicator(self) -> FloorIndicator:
        """Its bit of the Floor Indicator (TS 24.380 8.2.3.15)."""
        return FloorIndicator[self.name]


class Rank(NamedTuple):
    """What a request is worth: urgency counts before the number (0 is the lowest)."""

    urgency: Urgency
    priority: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One floor participant.

    ``priority`` is the highest that was negotiated (``mc_priority``), ``default_priority`` that of a request without
    one, ``queueing`` whether it can wait (``mc_queueing``). ``urgency`` is the highest that call control lets it claim.
    ``ssrc`` is that of its floor messages, None: that of the first one. ``audio_ssrc`` is that of its media, None: the
    same. ``may_revoke``, ``may_cancel``: it may have other talkers stopped, and requests taken out of the queue.
    """

    user: str
    priority: int = 255
    default_priority: int = 0
    queueing: bool = True
    receive_only: bool = False
    urgency: Urgency = Urgency.NORMAL
    ssrc: int | None = None
    audio_ssrc: int | None = None
    may_revoke: bool = False
    may_cancel: bool = False

    def __post_init__(self) -> None:
        if not (0 <= self.priority <= 255 and 0 <= self.default_priority <= 255):
            raise InvalidValue("a floor priority is 0 to 255", code="floor.priority")

    def bound(self, ssrc: int) -> Member:
        """The same with what its first floor message taught."""
        return self if self.ssrc is not None else replace(self, ssrc=ssrc)

    @property
    def media_ssrc(self) -> int | None:
        """The SSRC its media must have; None: not known yet."""
        return self.ssrc if self.audio_ssrc is None else self.audio_ssrc

    def rank(self, request: FloorRequest, policy: FloorPolicy) -> Rank:
        """What ``request`` is worth: what it claims, as far as the member may claim it."""
        indicator = request.indicator or FloorIndicator(0)
        claimed = max(
            urgency for urgency in Urgency if urgency is Urgency.NORMAL or urgency.indicator & indicator
        )
        wanted = self.default_priority if request.priority is None else request.priority
        priority = 0 if policy.audio_cut_in else min(wanted, self.priority)
        return Rank(min(claimed, self.urgency), priority)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits. ``pre_emptive``: the talker was revoked for it."""

    user: str
    rank: Rank
    audio_ssrc: int
    pre_emptive: bool = False
    functional_alias: str | None = None
    track_info: TrackInfo | None = None


def waiting(member: Member, request: FloorRequest, rank: Rank, *, pre_emptive: bool = False) -> Waiting:
    """``request`` of ``member`` as it waits."""
    media = member.media_ssrc
    return Waiting(
        member.user,
        rank,
        request.ssrc if media is None else media,
        pre_emptive,
        request.functional_alias,
        request.track_info,
    )
