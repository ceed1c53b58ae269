"""The tables agree with the classes, and what may go on a broadcast bearer is decided by them."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from mcsec.errors import Forbidden, InvalidValue, Refused
from mcsec.wire.rtcp import Message, Release, check_multicast, row_of
from mcsec.wire.rtcp.codec import PROTOCOLS
from mcsec.wire.rtcp.floor import FloorGranted, FloorIdle, FloorReleaseMultiTalker, FloorTaken
from mcsec.wire.rtcp.subchannel import ApplicationPaging, UnmapGroupToBearer
from mcsec.wire.rtcp.table import Row
from support.rtcp import rows

IDLE = FloorIdle(ssrc=7, sequence_number=1)
TAKEN = FloorTaken(ssrc=7, permission=True, sequence_number=1)
BASE = {field.name for field in dataclasses.fields(Message)}


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row.message.__name__)
def test_attributes_are_the_fields_of_the_row(row: Row) -> None:
    attributes = {field.name: field for field in dataclasses.fields(row.message) if field.name not in BASE}
    assert set(attributes) == {field.attribute for field in row.fields}
    needed = {name for name, field in attributes.items() if field.default is dataclasses.MISSING}
    assert needed == {field.attribute for field in row.required}
    assert set(row.required) <= set(row.fields)
    assert len({field.id for field in row.fields}) == len(row.fields)
    assert all(field.since <= row.until for field in row.fields)
    hints = typing.get_type_hints(row.message)
    assert all(type(None) in typing.get_args(hints[name]) for name in set(attributes) - needed)


@pytest.mark.parametrize("release", Release)
@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_subtype_is_one_message_in_each_release(name: str, release: Release) -> None:
    subtypes = [row.subtype for row in PROTOCOLS[name].rows if row.spoken_in(release)]
    assert len(set(subtypes)) == len(subtypes)
    assert all(subtype < 16 for subtype in subtypes)


def test_what_may_be_broadcast() -> None:
    names = {row.message.__name__ for row in rows() if row.multicast}
    assert names == {
        "FloorTaken",
        "FloorIdle",
        "FloorReleaseMultiTalker",
        "MapGroupToBearer",
        "UnmapGroupToBearer",
        "ApplicationPaging",
        "BearerAnnouncement",
    }
    for message in (
        IDLE,
        TAKEN,
        FloorReleaseMultiTalker(ssrc=7),
        UnmapGroupToBearer(ssrc=7, group_id="sip:g"),
        ApplicationPaging(ssrc=7, group_id="sip:g"),
    ):
        check_multicast(message)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (dataclasses.replace(IDLE, ack_requested=True), "rtcp.multicast.ack"),
        (dataclasses.replace(TAKEN, ack_requested=True), "rtcp.multicast.ack"),
        (FloorGranted(ssrc=7, duration=1, priority=0), "rtcp.multicast.unicast-only"),
    ],
)
def test_what_may_not_be_broadcast(message: Message, code: str) -> None:
    with pytest.raises(Forbidden) as ours:
        check_multicast(message)
    with pytest.raises(Refused) as theirs:
        check_multicast(message, received=True)
    assert ours.value.code == theirs.value.code == code


def test_other_objects_are_no_messages() -> None:
    with pytest.raises(InvalidValue):
        row_of(Message(ssrc=7))
