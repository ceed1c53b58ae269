"""What an MCX server is told of group calls: ``[server.calls]``, ``[[server.groups]]`` and ``[[server.partners]]``.

``[server.calls.floor]`` is in :mod:`mcsec.server.calls.floor_config`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from mcsec.errors import LocalError
from mcsec.keys.key import Key
from mcsec.keys.policy import GroupRules
from mcsec.net.config import Section
from mcsec.net.sip.peer import Hop
from mcsec.server.calls.floor_config import FloorSection
from mcsec.server.calls.groups import CallKind, Group, GroupMember
from mcsec.server.calls.links import Partner
from mcsec.server.calls.policy import STANDARD, CallPolicy
from mcsec.server.calls.service import CallSettings
from mcsec.server.floor import FloorPolicy
from mcsec.server.gms_access import GmsSection
from mcsec.wire.priority import STANDARD as PRIORITIES
from mcsec.wire.priority import ResourcePriorities

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Priority = Annotated[str, Field(pattern=r"^(mcptt[pq]\.(1[0-5]|[0-9]))?$")]
EVERYBODY = "*"


class PrioritySection(Section):
    """Resource-Priority of INVITEs, as in :class:`~mcsec.wire.priority.ResourcePriorities`."""

    normal: Priority = PRIORITIES.normal
    imminent_peril: Priority = PRIORITIES.imminent_peril
    emergency: Priority = PRIORITIES.emergency

    @property
    def priorities(self) -> ResourcePriorities:
        """The values."""
        return ResourcePriorities(
            normal=self.normal, imminent_peril=self.imminent_peril, emergency=self.emergency
        )


class CallsSection(Section):
    """Both functions. ``host`` and ``ports``: where floor control and media are received; no ports: any that are free.

    ``controlling``: public service identity of the controlling function. Times as in
    :class:`~mcsec.server.calls.policy.CallPolicy`. ``floor``: what the floors of all calls share.
    """

    controlling: str = ""
    host: str = "127.0.0.1"
    ports: Annotated[list[Port], Field(max_length=2)] = []
    tng1: Seconds = STANDARD.tng1
    tng2: Seconds | None = STANDARD.tng2
    go_on: bool = STANDARD.go_on
    session_interval: int = Field(default=STANDARD.session_interval, ge=90, le=86_400)
    t15: Seconds = STANDARD.t15
    t16: Seconds = STANDARD.t16
    t17: Seconds = STANDARD.t17
    c17: int = Field(default=STANDARD.c17, ge=1, le=100)
    listeners: int = Field(default=STANDARD.listeners, ge=1)
    dynamic: int | None = Field(default=STANDARD.dynamic, ge=1)
    silence: Seconds = STANDARD.silence
    ring: Seconds = STANDARD.ring
    floor: FloorSection = FloorSection()
    resource_priority: PrioritySection = PrioritySection()

    @property
    def policy(self) -> CallPolicy:
        """Timers, counters and thresholds."""
        return CallPolicy(
            tng1=self.tng1,
            tng2=self.tng2,
            go_on=self.go_on,
            session_interval=self.session_interval,
            t15=self.t15,
            t16=self.t16,
            t17=self.t17,
            c17=self.c17,
            listeners=self.listeners,
            dynamic=self.dynamic,
            silence=self.silence,
            ring=self.ring,
            priorities=self.resource_priority.priorities,
        )


class MemberSection(Section):
    """What differs for one member of a group."""

    user: str = Field(min_length=1, max_length=512)
    priority: int = Field(default=254, ge=0, le=255)
    default_priority: int = Field(default=0, ge=0, le=255)
    receive_only: bool = False
    home: str = ""
    urgent: bool = True
    may_revoke: bool = False
    may_cancel: bool = False


class GroupSection(Section):
    """A group: who may join it, whether it has a MuSiK of its own, and its calls.

    ``home``: the MC domain whose server controls its calls; this one unless given. ``details``: members of whom more
    is to be said. ``protect_media`` false: media in clear is passed on. ``pre_emption``: the lowest priority that takes
    the floor from a lower one; "urgent": only urgency does. ``release_13``: it has no MuSiK,
    and its floor control goes on a bearer under the MKFC that the GMS of its home gives, or not at all.
    """

    id: str = Field(min_length=1, max_length=512)
    members: list[str] | Literal["*"] = []
    musik: Literal["own", "default"] = "default"
    release_13: bool = False
    home: str = ""
    kind: CallKind = CallKind.PREARRANGED
    details: list[MemberSection] = []
    protect_media: bool | None = None
    protect_floor_control: bool | None = None
    hang_time: Seconds = 30.0
    maximum: Seconds | None = None
    minimum: int = Field(default=0, ge=0)
    disabled: bool = False
    broadcast: bool = False
    queue: int = Field(default=10, ge=0, le=253)
    talk_time: float = Field(default=30.0, gt=0, lt=65_536)
    dual_floor: bool = False
    audio_cut_in: bool = False
    pre_emption: Annotated[int, Field(ge=1, le=255)] | Literal["urgent"] = 255

    def group(self, domain: str, floor: FloorPolicy) -> Group:
        """The group as calls see it; ``domain`` is the server's own, ``floor`` what the floors of all calls share."""
        more = {member.user: member for member in self.details}
        named = [] if self.members == EVERYBODY else list(self.members)
        users = dict.fromkeys([*named, *more])
        return Group(
            group_id=self.id,
            home=self.home or domain,
            kind=self.kind,
            members=MappingProxyType({user: _member(user, more.get(user)) for user in users}),
            everybody=self.members == EVERYBODY,
            rules=GroupRules(self.protect_floor_control, self.protect_media),
            hang_time=self.hang_time,
            maximum=self.maximum,
            minimum=self.minimum,
            disabled=self.disabled,
            broadcast=self.broadcast,
            floor=replace(
                floor,
                queue_limit=self.queue,
                t2=self.talk_time,
                dual_floor=self.dual_floor,
                audio_cut_in=self.audio_cut_in,
                pre_emptive_priority=None if self.pre_emption == "urgent" else self.pre_emption,
            ),
        )


class PartnerSection(Section):
    """The MCX server of another MC domain, with which calls are shared.

    ``sip``: where it listens, such as ``tls:HOST:PORT``. ``mdsi``: its identity, which its certificate must show.
    ``ca``: the authority of that certificate, where it is not our own. ``participating`` and ``controlling``: its
    functions. ``domains``: whose users it speaks for. The SPK is agreed by ``mcsec spk``. ``gms``: its GMS, for groups
    in Release 13 mode only.
    """

    domain: str = Field(min_length=1, max_length=255)
    sip: str
    mdsi: str = ""
    ca: str = ""
    participating: str = ""
    controlling: str = ""
    domains: list[str] = []
    gms: GmsSection | None = None

    @property
    def identity(self) -> str:
        """Its MDSI."""
        return self.mdsi or f"mcx.{self.domain}"

    def partner(self, hop: tuple[str, str, int], spks: Sequence[Key]) -> Partner:
        """The partner; ``spks`` are those that are agreed with it.

        :raises LocalError: none is, or it is not reached by TLS.
        """
        transport, host, port = hop
        if transport != "TLS":
            raise LocalError(
                f"{self.domain} is not reached by TLS", code="call.partner", hint="write tls:HOST:PORT"
            )
        if not spks:
            raise LocalError(
                f"no SPK is agreed with {self.identity}",
                code="call.spk",
                clause="TS 33.180 5.5",
                hint=f"make one with `mcsec spk new --peer {self.identity}`, or take theirs with `mcsec spk take`",
            )
        return Partner(
            domain=self.domain,
            mdsi=self.identity,
            participating=self.participating or f"sip:mcptt@{self.domain}",
            controlling=self.controlling or f"sip:mcptt-controlling@{self.domain}",
            hop=Hop("TLS", host, port, self.identity),
            spks=tuple(spks),
            names=frozenset({self.identity.lower()}),
            domains=frozenset(name.lower() for name in self.domains),
        )


def settings(
    section: CallsSection,
    partners: Iterable[PartnerSection],
    domain: str,
    spks: Mapping[str, Sequence[Key]],
    hop: Callable[[str], tuple[str, str, int]],
) -> CallSettings:
    """How calls are set up.

    :param spks: by MDSI. :param hop: reads a place for SIP.
    :raises LocalError: a partner cannot be one.
    """
    first, last = section.ports if len(section.ports) == 2 else (0, 0)
    found = [one.partner(hop(one.sip), spks.get(one.identity, ())) for one in partners]
    return CallSettings(
        section.controlling or f"sip:mcptt-controlling@{domain}",
        section.host,
        first,
        last,
        section.policy,
        {partner.domain: partner for partner in found},
    )


def _member(user: str, more: MemberSection | None) -> GroupMember:
    if more is None:
        return GroupMember(user=user)
    return GroupMember(
        user=user,
        priority=more.priority,
        default_priority=more.default_priority,
        receive_only=more.receive_only,
        home=more.home,
        urgent=more.urgent,
        may_revoke=more.may_revoke,
        may_cancel=more.may_cancel,
    )
