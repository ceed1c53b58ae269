"""The question that :mod:`mcsec.keys.policy` answers, and the answers that it can give."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from mcsec.errors import Forbidden
from mcsec.keys.events import BroadcastRefused
from mcsec.keys.key import Key
from mcsec.keys.kinds import Party, Traffic

__all__ = [
    "Broadcast",
    "Decision",
    "GivenKey",
    "GroupRules",
    "Question",
    "Reason",
    "Refuse",
    "Relay",
    "SenderKeys",
    "SendingKey",
    "Unicast",
]


class Reason(Enum):
    """Why a decision is as it is: a code that stays the same, the clause it rests on, and a sentence."""

    MUSIK_EXPLICIT = ("policy.musik-explicit", "TS 24.380 13.1 item 3 A", "a MuSiK names the group")
    MUSIK_DEFAULT = (
        "policy.musik-default",
        "TS 24.380 13.1 item 3 A",
        "the domain's default MuSiK is for the group",
    )
    MKFC = ("policy.mkfc", "TS 24.380 13.1 item 3 B", "Release 13 mode is on and no MuSiK is associated")
    MSCCK = ("policy.mscck", "TS 33.179 7.7.1", "subchannel control has the key of its bearer")
    CSK = ("policy.csk", "TS 24.380 13.1", "traffic with one client has that client's key")
    SPK = ("policy.spk", "TS 33.180 5.5", "traffic with a server has the key of that pair")
    KEY_NOT_HELD = ("policy.key-not-held", "TS 24.380 13.1", "the listener did not say that it holds the key")
    NOTHING_TO_SEND_UNDER = (
        "policy.no-sending-key",
        "TS 24.380 13.1",
        "the associated key cannot be sent under",
    )
    NO_KEY = ("policy.no-key", "TS 24.380 13.1", "no key is associated")
    NO_MKFC = (
        "policy.no-mkfc",
        "TS 24.380 13.1 item 3 B",
        "Release 13 mode is on, and the group's GMS gave no MKFC",
    )
    RELEASE_13_OFF = (
        "policy.release-13-off",
        "TS 24.380 13.1 item 3 B",
        "an MKFC is at hand, Release 13 mode is off",
    )
    FOREIGN_MAKER = ("policy.foreign-maker", "TR 33.880 MCSEC-1.X-1", "another domain made the key")
    PAUSED = ("policy.paused", "", "a member was removed; nothing is sent until the new key is")
    NOT_ANNOUNCED = (
        "policy.not-announced",
        "TS 24.379 14.2.2.1",
        "the listener does not hold the bearer's MSCCK",
    )
    OFF_NETWORK = ("policy.off-network", "TS 33.179 7.6.1", "off the network there is no server")
    UPLINK_MULTICAST = (
        "policy.uplink-multicast",
        "TS 24.380 13",
        "only a server sends on an MBMS subchannel",
    )
    END_TO_END = ("policy.end-to-end", "TS 24.380 13.1", "clients protect it among themselves")
    MEDIA_CLEAR_ALLOWED = (
        "policy.media-clear-allowed",
        "TS 24.481 7.2",
        "the group document asks for no protection",
    )
    MEDIA_CLEAR = (
        "policy.media-clear",
        "TS 24.380 13.1",
        "the packet names no key that may protect such media",
    )

    @property
    def code(self) -> str:
        """Stable between releases."""
        return self.value[0]

    @property
    def clause(self) -> str:
        """What it rests on; empty where it is this project's own rule."""
        return self.value[1]

    @property
    def sentence(self) -> str:
        """For people."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class GroupRules:
    """What a group document says about protection (TS 24.481 7.2). None: the element is absent, so
    protected."""

    protect_floor_control: bool | None = None
    protect_media: bool | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """May ``sender`` send ``traffic`` of ``name``, to ``listener`` or, with None, on the bearer?

    ``name`` is the group ID; the TMGI for subchannel control; the call for private media; the peer for a
    server link; the MC service ID of the client for other unicast traffic. ``constituent``: for a call of a
    temporary group, the group in it that the question is about. ``mki``: what a media packet to be relayed
    carries, None for plain RTP.
    """

    traffic: Traffic
    name: str
    listener: str | None = None
    sender: Party = Party.SERVER
    constituent: str | None = None
    rules: GroupRules = GroupRules()
    mki: bytes | None = None


class SendingKey(Protocol):
    """What is sent under for one kind and scope. :class:`~mcsec.keys.rotation.Rotation` is one."""

    @property
    def sending(self) -> Key | None:
        """The key; None: associated, and not to be sent under now."""

    @property
    def paused(self) -> bool:
        """Nothing is to be sent at all."""

    def holds(self, listener: str) -> bool:
        """Whether the listener can read what is sent under :attr:`sending`."""

    def unreached(self, listeners: Collection[str]) -> Collection[str]:
        """Those of ``listeners`` that a broadcast under :attr:`sending` does not reach.

        Must not cost more when more are reached: it is asked for every packet.
        """


@dataclass(frozen=True, slots=True)
class GivenKey:
    """A key that no rotation of ours looks after, such as an MKFC. ``holders`` None: the maker gave it to
    all."""

    sending: Key | None
    holders: frozenset[str] | None = None
    paused: bool = False

    def holds(self, listener: str) -> bool:
        """Whether the listener is among the holders."""
        return self.holders is None or listener in self.holders

    def unreached(self, listeners: Collection[str]) -> Collection[str]:
        """Those of ``listeners`` that are not among the holders."""
        return () if self.holders is None else set(listeners) - self.holders


@dataclass(frozen=True, slots=True)
class SenderKeys:
    """What the sender has, as live mappings. Presence in a mapping is the association; see the top of this
    file.

    ``musiks`` by group ID, and under None the default; ``mkfcs`` by group ID; ``msccks`` by TMGI; ``csks`` by
    MC service ID; ``spks`` by peer; ``end_to_end`` by group ID or call: a client's GMKs and PCKs.
    ``release_13`` has the groups for which the operator allows an MKFC.
    """

    domain: str
    musiks: Mapping[str | None, SendingKey] = field(default_factory=dict)
    mkfcs: Mapping[str, SendingKey] = field(default_factory=dict)
    msccks: Mapping[str, SendingKey] = field(default_factory=dict)
    csks: Mapping[str, Key] = field(default_factory=dict)
    spks: Mapping[str, Key] = field(default_factory=dict)
    end_to_end: Mapping[str, Key] = field(default_factory=dict)
    release_13: Container[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send once on the bearer under ``key``; a listener that was asked about is reached by that."""

    key: Key
    reason: Reason


@dataclass(frozen=True, slots=True)
class Unicast:
    """Send to one receiver under ``key``."""

    key: Key
    reason: Reason


@dataclass(frozen=True, slots=True)
class Relay:
    """Pass the packet on as it is; the server holds no key for it."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Refuse:
    """Send nothing."""

    reason: Reason
    detail: str = ""
    hint: str = ""

    def error(self) -> Forbidden:
        """The same as an exception, for callers that have no other way on."""
        text = f"{self.reason.sentence}: {self.detail}" if self.detail else self.reason.sentence
        return Forbidden(text, code=self.reason.code, clause=self.reason.clause, hint=self.hint)

    def event(self, question: Question, now: float) -> BroadcastRefused:
        """What to publish when the question was about a bearer."""
        detail = self.detail or self.reason.sentence
        return BroadcastRefused(now, question.traffic.name, question.name, self.reason.code, detail)


Decision = Broadcast | Unicast | Relay | Refuse
