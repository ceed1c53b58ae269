"""The seven kinds of key, in one table. Everything else asks it.

A kind is told by the purpose tag in the top four bits of the key ID (TS 33.180 annex G), so
:class:`PurposeTag` names the row. What a kind may protect is told by :class:`Traffic`: the sender's policy
and the receiver's keyring read the same columns, so that what one side may send is what the other side may
accept.

Rows that rest on one source, or on none, say so under ``open_point``; ``docs/readings/keys.md`` has the other
readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType

from mcsec.errors import Refused
from mcsec.ids import PurposeTag
from mcsec.mikey.numbers import KEY_OCTETS, MCPTT_CS_ID, RAND_OCTETS, CsId

__all__ = ["KINDS", "Bound", "KeyKind", "MkiForm", "Party", "Service", "Traffic", "kind_of", "kinds_for"]


class Party(StrEnum):
    """Who makes, sends or receives a key."""

    SERVER = "MCX server"
    GMS = "GMS of the group's home domain"
    CLIENT = "MC client"


class Service(StrEnum):
    """The MC service whose signalling or media is protected; it picks the CS-ID."""

    MCPTT = "MCPTT"
    MCVIDEO = "MCVideo"


class Traffic(StrEnum):
    """A class of traffic, each with its own keys (TS 24.380 13.1). On the wire, each has its own socket.

    For MCVideo, read "transmission control" for "floor control" (TS 24.581 13.1).
    """

    SUBCHANNEL_CONTROL = "subchannel control on the general purpose MBMS subchannel"
    MBMS_FLOOR = "floor control on an MBMS subchannel"
    MBMS_MEDIA_CONTROL = "RTCP reports on an MBMS subchannel"
    UNICAST_FLOOR = "floor control between one client and its server"
    UNICAST_MEDIA_CONTROL = "RTCP reports between one client and its server"
    PRE_ESTABLISHED = "pre-established session control between one client and its server"
    SIGNALLING_XML = "XML bodies of SIP messages between one client and its server"
    SERVER_LINK = "signalling and floor control between MCX servers"
    GROUP_MEDIA = "media of a group"
    PRIVATE_MEDIA = "media of a private call"
    OFF_NETWORK_GROUP_FLOOR = "floor control of a group off the network"
    OFF_NETWORK_PRIVATE_FLOOR = "floor control of a private call off the network"

    @property
    def multicast(self) -> bool:
        """Whether the server sends it to many clients at once. Such traffic runs down only, never up."""
        return self in (Traffic.SUBCHANNEL_CONTROL, Traffic.MBMS_FLOOR, Traffic.MBMS_MEDIA_CONTROL)

    @property
    def end_to_end(self) -> bool:
        """Whether clients protect it among themselves, so that a server holds no key for it."""
        return self in (
            Traffic.GROUP_MEDIA,
            Traffic.PRIVATE_MEDIA,
            Traffic.OFF_NETWORK_GROUP_FLOOR,
            Traffic.OFF_NETWORK_PRIVATE_FLOOR,
        )


class Bound(Enum):
    """What the scope of a key names, and how many names it has."""

    GROUPS = "one or more group IDs"
    GROUPS_OR_DEFAULT = "group IDs, or none: the domain's default key"
    BEARER = "one general purpose MBMS subchannel, by its TMGI"
    USER = "one MC service ID"
    CALL = "one call"
    PEER = "one peer MCX server"

    @property
    def to_groups(self) -> bool:
        """Whether the names are group IDs, which travel in the key parameters (TS 33.180 E.6.1)."""
        return self in (Bound.GROUPS, Bound.GROUPS_OR_DEFAULT)


class MkiForm(Enum):
    """What an SRTP or SRTCP packet carries as its MKI."""

    KEY_ID = "key ID, 4 octets"
    KEY_ID_AND_USER_KEY_ID = "GMK-ID, then the sender's GUK-ID: 8 octets"

    @property
    def octets(self) -> int:
        """Size on the wire."""
        return 4 if self is MkiForm.KEY_ID else 8


@dataclass(frozen=True, slots=True)
class KeyKind:
    """One row of the table.

    ``makers`` make the first key and any later one. ``routes`` are the (sender, receiver) pairs between which
    a MIKEY message may carry it; a receiver checks them against the signer. ``cs_ids`` has the CS-ID of each
    service that the key derivation takes: one number, or two where caller and called party have their own.
    ``docs/readings/keys.md`` says how sure each number is. ``one_at_a_time``: a new key takes the place of
    the older one of the same scope.
    """

    tag: PurposeTag
    makers: frozenset[Party]
    routes: frozenset[tuple[Party, Party]]
    travels: str
    protects: tuple[Traffic, ...]
    bound: Bound
    cs_ids: Mapping[Service, tuple[int, ...]]
    clause: str
    mki: MkiForm = MkiForm.KEY_ID
    octets: int = KEY_OCTETS
    rand_octets: int = RAND_OCTETS
    one_at_a_time: bool = True
    open_point: str = ""

    def cs_id(self, service: Service = Service.MCPTT, *, called: bool = False) -> int:
        """The default CS-ID of TS 33.180 table E.1.3-1; ``called``: the stream of a private call's called
        party."""
        numbers = self.cs_ids[service]
        return numbers[-1] if called else numbers[0]

    def named_by(self, mki: bytes) -> bool:
        """Whether an MKI has the size and the purpose tag of this kind."""
        return len(mki) == self.mki.octets and mki[0] >> 4 == self.tag

    def require_route(self, sender: Party, receiver: Party) -> None:
        """Accept a MIKEY message with a key of this kind from ``sender`` at ``receiver``.

        A signature alone proves only *an* identity under the KMS (TS 33.180 5.2.2), so the signer's part
        matters.

        :raises Refused: this kind never travels so.
        """
        if (sender, receiver) not in self.routes:
            raise Refused(
                f"a {self.tag.label} does not travel from the {sender.value} to the {receiver.value}",
                code="keys.sender",
                clause=self.clause,
            )


def _cs_ids(tag: PurposeTag, mcvideo: CsId) -> Mapping[Service, tuple[int, ...]]:
    return MappingProxyType({Service.MCPTT: (MCPTT_CS_ID[tag],), Service.MCVIDEO: (mcvideo,)})


_SERVER, _GMS, _CLIENT = Party
# Release 13 derived every key for floor control with CS-ID 0, whatever the service (TS 33.179 9.4.5).
_RELEASE_13 = CsId.MCPTT_PRIVATE_INITIATOR

# Where two kinds protect the same traffic, the preferred one stands first: MuSiK before MKFC (TS 24.380
# 13.1).
_ROWS = (
    KeyKind(
        tag=PurposeTag.GMK,
        makers=frozenset({_GMS}),
        routes=frozenset({(_GMS, _CLIENT)}),
        travels="GKTP document of the GMS, or SIP MESSAGE from it",
        protects=(Traffic.GROUP_MEDIA, Traffic.OFF_NETWORK_GROUP_FLOOR),
        bound=Bound.GROUPS,
        cs_ids=_cs_ids(PurposeTag.GMK, CsId.MCVIDEO_GROUP),
        mki=MkiForm.KEY_ID_AND_USER_KEY_ID,
        one_at_a_time=False,
        clause="TS 33.180 5.7.1, 7.4.2",
    ),
    KeyKind(
        tag=PurposeTag.PCK,
        makers=frozenset({_CLIENT}),
        routes=frozenset({(_CLIENT, _CLIENT)}),
        travels="SDP of the call's INVITE",
        protects=(Traffic.PRIVATE_MEDIA, Traffic.OFF_NETWORK_PRIVATE_FLOOR),
        bound=Bound.CALL,
        cs_ids=MappingProxyType(
            {
                Service.MCPTT: (CsId.MCPTT_PRIVATE_INITIATOR, CsId.MCPTT_PRIVATE_RECEIVER),
                Service.MCVIDEO: (CsId.MCVIDEO_PRIVATE_INITIATOR, CsId.MCVIDEO_PRIVATE_RECEIVER),
            }
        ),
        clause="TS 33.180 5.6, 7.4.1",
    ),
    KeyKind(
        tag=PurposeTag.CSK,
        makers=frozenset({_CLIENT, _SERVER}),
        routes=frozenset({(_CLIENT, _SERVER), (_SERVER, _CLIENT)}),
        travels="SIP REGISTER or PUBLISH up (CSK upload); SIP MESSAGE down (key download)",
        protects=(
            Traffic.UNICAST_FLOOR,
            Traffic.UNICAST_MEDIA_CONTROL,
            Traffic.PRE_ESTABLISHED,
            Traffic.SIGNALLING_XML,
        ),
        bound=Bound.USER,
        cs_ids=_cs_ids(PurposeTag.CSK, CsId.CSK_MCVIDEO),
        clause="TS 33.180 5.4, 5.8.1; TS 24.380 13.1",
        open_point="RTCP reports and pre-established session control under the CSK rest on memory.",
    ),
    KeyKind(
        tag=PurposeTag.SPK,
        makers=frozenset({_SERVER}),
        routes=frozenset({(_SERVER, _SERVER)}),
        travels="configuration, or an I_MESSAGE between MCX servers",
        protects=(Traffic.SERVER_LINK,),
        bound=Bound.PEER,
        cs_ids=_cs_ids(PurposeTag.SPK, _RELEASE_13),
        clause="TS 33.180 5.5; TS 24.282 6.6.1",
        open_point="The CS-ID was found in no source.",
    ),
    KeyKind(
        tag=PurposeTag.MUSIK,
        makers=frozenset({_SERVER}),
        routes=frozenset({(_SERVER, _CLIENT)}),
        travels="SIP MESSAGE (key download)",
        protects=(Traffic.MBMS_FLOOR, Traffic.MBMS_MEDIA_CONTROL),
        bound=Bound.GROUPS_OR_DEFAULT,
        cs_ids=_cs_ids(PurposeTag.MUSIK, CsId.MUSIK_MCVIDEO),
        clause="TS 33.180 5.8.1, E.1.1; TS 24.380 13.1 item 3 A",
        open_point="The CS-IDs rest on one source.",
    ),
    KeyKind(
        tag=PurposeTag.MKFC,
        makers=frozenset({_GMS}),
        routes=frozenset({(_GMS, _CLIENT), (_GMS, _SERVER)}),
        travels="GKTP document of the GMS",
        protects=(Traffic.MBMS_FLOOR, Traffic.MBMS_MEDIA_CONTROL),
        bound=Bound.GROUPS,
        cs_ids=_cs_ids(PurposeTag.MKFC, _RELEASE_13),
        clause="TS 24.380 13.1 item 3 B; TS 33.179 9.4.4",
        open_point="CS-ID 0 is the Release 13 value; no later one was found.",
    ),
    KeyKind(
        tag=PurposeTag.MSCCK,
        makers=frozenset({_SERVER}),
        routes=frozenset({(_SERVER, _CLIENT)}),
        travels="SDP of the MBMS bearer announcement",
        protects=(Traffic.SUBCHANNEL_CONTROL,),
        bound=Bound.BEARER,
        cs_ids=_cs_ids(PurposeTag.MSCCK, _RELEASE_13),
        clause="TS 33.179 7.7.1, 7.7.2; TS 24.379 14.2.2.1",
        open_point="The CS-ID was found in no source.",
    ),
)

KINDS: Mapping[PurposeTag, KeyKind] = MappingProxyType({row.tag: row for row in _ROWS})
"""The table, by purpose tag."""


def kind_of(tag: PurposeTag) -> KeyKind:
    """The row of ``tag``."""
    return KINDS[tag]


def kinds_for(traffic: Traffic) -> tuple[KeyKind, ...]:
    """The kinds that may protect ``traffic``, the preferred one first."""
    return _BY_TRAFFIC[traffic]


_BY_TRAFFIC = {traffic: tuple(row for row in _ROWS if traffic in row.protects) for traffic in Traffic}
