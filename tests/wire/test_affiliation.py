"""Affiliation in presence documents, and resource lists."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import resource_lists
from mcsec.wire.affiliation import Affiliation, ClientAffiliations, Presence, Status, decode, encode
from support.xml import times, xml_texts

presences = st.builds(
    Presence,
    xml_texts,
    st.lists(
        st.builds(
            ClientAffiliations,
            xml_texts,
            st.lists(
                st.builds(Affiliation, xml_texts, st.none() | st.sampled_from(Status), st.none() | times),
                max_size=3,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    st.none() | xml_texts,
)


@given(presences)
def test_round_trip(presence: Presence) -> None:
    assert decode(encode(presence)) == presence


def test_publish_and_notify_on_the_wire() -> None:
    octets = (
        b"<?xml version='1.0' encoding='UTF-8'?>\n"
        b'<presence xmlns:mcpttPI10="urn:3gpp:ns:mcpttPresInfo:1.0" xmlns="urn:ietf:params:xml:ns:pidf" '
        b'entity="sip:alice@mc.example"><tuple id="c1"><status>'
        b'<mcpttPI10:affiliation group="sip:g1@mc.example" status="affiliated" expires="2026-11-23T17:00:00Z"/>'
        b"</status></tuple><mcpttPI10:p-id>7</mcpttPI10:p-id></presence>"
    )
    expires = datetime(2026, 11, 23, 17, tzinfo=UTC)
    affiliation = Affiliation("sip:g1@mc.example", Status.AFFILIATED, expires)
    presence = Presence("sip:alice@mc.example", (ClientAffiliations("c1", (affiliation,)),), "7")
    assert encode(presence) == octets
    assert decode(octets) == presence


def test_other_presence_content_is_passed_over() -> None:
    octets = (
        b'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="e"><tuple id="c"><status><basic>open</basic>'
        b'<affiliation xmlns="urn:3gpp:ns:mcpttPresInfo:1.0" group="g" expires="2026-11-23T18:00:00+01:00"/>'
        b"</status><contact>x</contact></tuple></presence>"
    )
    (client,) = decode(octets).clients
    assert client.affiliations == (Affiliation("g", None, datetime(2026, 11, 23, 17, tzinfo=UTC)),)


@pytest.mark.parametrize(
    "inside",
    [
        '><tuple id="c"/></presence>',
        ' entity="e"><tuple id="c"/></presence>',
        ' entity="e"><tuple><status/></tuple></presence>',
        ' entity="e"><tuple id="c"><status><p:affiliation/></status></tuple></presence>',
        ' entity="e"><tuple id="c"><status><p:affiliation group="g" status="odd"/></status></tuple></presence>',
        ' entity="e"><tuple id="c"><status><p:affiliation group="g" expires="odd"/></status></tuple></presence>',
    ],
)
def test_refused(inside: str) -> None:
    start = '<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:p="urn:3gpp:ns:mcpttPresInfo:1.0"'
    with pytest.raises(DecodeError) as caught:
        decode((start + inside).encode())
    assert caught.value.code == "pidf.element"


@given(st.lists(xml_texts, max_size=5))
def test_resource_lists(uris: list[str]) -> None:
    assert resource_lists.decode(resource_lists.encode(uris)) == tuple(uris)


def test_nested_and_broken_resource_lists() -> None:
    start = b'<resource-lists xmlns="urn:ietf:params:xml:ns:resource-lists">'
    nested = start + b'<list><entry uri="a"/><list><entry uri="b"/></list></list></resource-lists>'
    assert resource_lists.decode(nested) == ("a", "b")
    with pytest.raises(DecodeError):
        resource_lists.decode(start + b"<list><entry/></list></resource-lists>")
    with pytest.raises(DecodeError):
        resource_lists.decode(start + b"<list>" + b'<entry uri="a"/>' * 1001 + b"</list></resource-lists>")
    with pytest.raises(InvalidValue):
        resource_lists.encode(["a"] * 1001)
    with pytest.raises(InvalidValue):
        resource_lists.encode([""])
