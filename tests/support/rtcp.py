"""Strategies for RTCP messages, made from the same tables that the codec uses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from mcsec.ids import Tmgi
from mcsec.wire.rtcp import Message, Profile, Release
from mcsec.wire.rtcp.codec import PROTOCOLS
from mcsec.wire.rtcp.fields import Field, RawField
from mcsec.wire.rtcp.floor_layouts import (
    CauseLayout,
    LocationLayout,
    LocationListLayout,
    MediaFlowLayout,
    QueueInfoLayout,
    SsrcListLayout,
    TrackInfoLayout,
)
from mcsec.wire.rtcp.floor_values import Location, QueueInfo, RejectCause, TrackInfo
from mcsec.wire.rtcp.layouts import Bits, Choice, Number, Opaque, Switch, Text, Uri, UriList, member
from mcsec.wire.rtcp.preestablished import (
    MediaStreams,
    MediaStreamsLayout,
    SessionIdentity,
    SessionIdentityLayout,
    SessionType,
)
from mcsec.wire.rtcp.profile import LOCATION_OCTETS
from mcsec.wire.rtcp.subchannel import MbmsSubchannel, SubchannelLayout, TmgiLayout
from mcsec.wire.rtcp.table import Row

octet = st.integers(0, 0xFF)
word = st.integers(0, 0xFFFFFFFF)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
uris = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=40).map(
    lambda text: f"sip:{text}"
)
short_uris = st.lists(uris.filter(lambda uri: len(uri.encode()) < 60), max_size=3).map(tuple)
ports = st.integers(1, 0xFFFF)
tmgis = st.builds(
    Tmgi,
    st.integers(0, 0xFFFFFF),
    st.from_regex(r"\A[0-9]{3}\Z"),
    st.from_regex(r"\A[0-9]{2,3}\Z"),
)
locations = st.sampled_from(sorted(LOCATION_OCTETS)).flatmap(
    lambda kind: st.builds(
        Location, st.just(kind), st.binary(min_size=LOCATION_OCTETS[kind], max_size=LOCATION_OCTETS[kind])
    )
)
addresses = st.ip_addresses()
subchannels = st.one_of(
    st.builds(MbmsSubchannel, st.integers(0, 15), st.integers(1, 15), addresses, ports, ports),
    st.builds(MbmsSubchannel, st.integers(0, 15), st.just(0), addresses, ports),
)
raw_fields = st.builds(RawField, st.integers(117, 255), st.binary(max_size=9))


def causes(layout: CauseLayout) -> st.SearchStrategy[RejectCause]:
    codes = st.integers(0, 0xFFFF).map(lambda code: member(layout.causes, code) or code)
    return st.builds(RejectCause, st.one_of(st.sampled_from(layout.causes), codes), texts)


def values(field: Field) -> st.SearchStrategy[Any]:
    """Values that the field's layout can write."""
    layout = field.layout
    match layout:
        case Number():
            return st.integers(0, (1 << 8 * layout.size) - 1)
        case Choice():
            return st.sampled_from(layout.members)
        case Switch() | MediaFlowLayout():
            return st.booleans()
        case Bits():
            return st.integers(0, 0xFFFF).map(layout.flags)
        case Uri():
            return uris.filter(lambda uri: len(uri.encode()) < 250)
        case UriList():
            return short_uris
        case Text():
            return texts
        case Opaque():
            return st.binary(max_size=1000 if field.id >= 192 else 255)
        case CauseLayout():
            return causes(layout)
        case QueueInfoLayout():
            return st.builds(QueueInfo, octet, octet)
        case TrackInfoLayout():
            return st.builds(
                TrackInfo,
                st.booleans(),
                texts.filter(lambda text: len(text.encode()) < 99),
                st.lists(word, max_size=3).map(tuple),
            )
        case SsrcListLayout():
            return st.lists(word, max_size=5).map(tuple)
        case LocationLayout():
            return locations
        case LocationListLayout():
            return st.lists(locations, max_size=3).map(tuple)
        case SubchannelLayout():
            return subchannels
        case TmgiLayout():
            return st.lists(tmgis, min_size=1, max_size=3).map(tuple) if field.many else tmgis
        case MediaStreamsLayout():
            return st.builds(MediaStreams, octet, octet)
        case SessionIdentityLayout():
            return st.builds(SessionIdentity, st.sampled_from(SessionType), uris)
    raise AssertionError(f"no strategy for {type(layout).__name__}")


def rows() -> Iterator[Row]:
    for protocol in PROTOCOLS.values():
        yield from protocol.rows


def profile_of(row: Row) -> Profile:
    """The newest release that has the message."""
    return Profile(release=min(row.until, max(Release)))


def messages_of(row: Row) -> st.SearchStrategy[Message]:
    """Messages of one row with any mixture of its optional fields."""
    required = {field.attribute: values(field) for field in row.required}
    optional = {field.attribute: values(field) for field in row.fields if field.attribute not in required}
    fixed = {
        "ssrc": word,
        "ack_requested": st.booleans() if row.ack else st.just(False),
        "others": st.lists(raw_fields.filter(lambda raw: raw.id != 192), max_size=2).map(tuple),
    }
    return st.fixed_dictionaries({**fixed, **required}, optional=optional).map(
        lambda attributes: row.message(**attributes)
    )
