"""Group documents: what is read, what is refused, and that what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError
from mcsec.wire import groups
from mcsec.wire.groups import GroupDocument, Member, Protection, Regrouped
from mcsec.wire.mc_sip import ICSI

GROUP = "sip:rescue@b.example"
DOCUMENT = b"""<?xml version="1.0" encoding="UTF-8"?>
<group xmlns="urn:oma:xml:poc:list-service" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
  xmlns:oxe="urn:oma:xml:xdm:extensions" xmlns:mcpttgi="urn:3gpp:ns:mcpttGroupInfo:1.0" xmlns:x="urn:example">
 <list-service uri="sip:rescue@b.example"><display-name>Rescue</display-name>
  <list>
   <entry uri="sip:ann@b.example"><rl:display-name>Ann</rl:display-name><mcpttgi:user-priority>7</mcpttgi:user-priority>
     <mcpttgi:on-network-required/></entry>
   <entry uri="sip:bob@a.example"><mcpttgi:on-network-recvonly/><x:more>1</x:more></entry>
  </list>
  <oxe:supported-services><oxe:service enabler="urn:urn-7:3gpp-service.ims.icsi.mcptt"/></oxe:supported-services>
  <mcpttgi:protect-media>false</mcpttgi:protect-media>
  <mcpttgi:require-multicast-floor-control-signalling/>
  <mcpttgi:on-network-hang-timer>PT1M30S</mcpttgi:on-network-hang-timer>
  <x:unknown/>
 </list-service>
</group>"""
uris = st.from_regex(r"sip:[a-z0-9]{1,8}@[a-z]{1,8}\.example", fullmatch=True)
flags = st.builds(
    Protection,
    media=st.none() | st.booleans(),
    floor=st.none() | st.booleans(),
    multicast_floor=st.booleans(),
)
seconds = st.none() | st.integers(1, 10**6).map(float)
documents = st.builds(
    GroupDocument,
    uri=uris,
    members=st.lists(
        st.builds(
            Member,
            uri=uris,
            display_name=st.none() | st.just("A & B"),
            priority=st.none() | st.integers(0, 255),
            required=st.booleans(),
            receive_only=st.booleans(),
        ),
        unique_by=lambda member: member.uri,
        max_size=4,
    ).map(tuple),
    services=st.sampled_from([frozenset(), frozenset({ICSI}), frozenset({ICSI, "urn:other"})]),
    invite_members=st.none() | st.booleans(),
    disabled=st.booleans(),
    protection=flags,
    hang_time=seconds,
    maximum_duration=seconds,
    minimum_to_start=st.none() | st.integers(0, 9),
    constituents=st.sampled_from([(), ("sip:x@y.example", "sip:z@y.example")]),
    regrouped=st.lists(st.builds(Regrouped, uris, st.none() | uris, flags), max_size=2).map(tuple),
)


def test_what_stands_in_a_document() -> None:
    read = groups.decode(DOCUMENT)
    assert read.uri == GROUP
    assert read.is_mcptt
    ann, bob = read.members
    assert (ann.priority, ann.required, ann.receive_only, ann.display_name) == (7, True, False, "Ann")
    assert bob.receive_only
    assert read.protection == Protection(media=False, multicast_floor=True)
    assert not read.protection.media_protected
    assert read.hang_time == 90


def test_absent_means_protected() -> None:
    bare = Protection()
    assert bare.media_protected
    assert bare.floor_protected
    assert not bare.multicast_floor


@given(documents)
def test_what_is_written_is_read_back(document: GroupDocument) -> None:
    assert groups.decode(groups.encode(document)) == document


@given(st.binary(max_size=300))
def test_any_octets_are_refused_as_octets(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        groups.decode(octets)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sip:bob@a.example", b"sip:ann@b.example", "group-document.constraint"),
        (b'uri="sip:bob@a.example"', b'uri="bob"', "group-document.constraint"),
        (b'uri="sip:bob@a.example"', b"", "group-document.element"),
        (b"protect-media>false<", b"protect-media>perhaps<", "group-document.value"),
        (b"PT1M30S", b"-PT1S", "group-document.value"),
        (b"PT1M30S", b"P", "group-document.value"),
        (b"PT1M30S", b"PT0S", "group-document.constraint"),
        (b"<x:unknown/>", b"<mcpttgi:protect-media>true</mcpttgi:protect-media>", "group-document.element"),
        (b"</group>", b"", "xml.malformed"),
        (b"<group ", b"<grupp ", "xml.malformed"),
    ],
)
def test_what_cannot_be(old: bytes, new: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        groups.decode(DOCUMENT.replace(old, new, 1))
    assert caught.value.code == code


def test_regrouping_leaves_the_rest_as_it_is() -> None:
    once = groups.with_regrouped(DOCUMENT, [Regrouped("sip:temp@b.example", "sip:ann@b.example")])
    assert [one.temporary_group_id for one in groups.decode(once).regrouped] == ["sip:temp@b.example"]
    assert b"unknown" in once
    back = groups.with_regrouped(once, [])
    assert groups.decode(back) == groups.decode(DOCUMENT)
