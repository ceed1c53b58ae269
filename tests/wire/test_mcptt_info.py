"""mcptt-info in the schema's order, in clear and encrypted."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import gktp, xml
from mcsec.wire.elements import name_of
from mcsec.wire.gktp import Gktp, GktpDocument, GktpSet, RegroupedGktps
from mcsec.wire.mcptt_info import ELEMENTS, INFO, Encrypted, Kind, McpttInfo, decode, encode
from support.xml import times, xml_texts

DATA = b'<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"></xenc:EncryptedData>'
gktps = st.builds(Gktp, xml_texts, st.binary(min_size=1, max_size=20), st.none() | times)
gktp_lists = st.lists(gktps, max_size=2).map(tuple)
gktp_sets = st.builds(
    GktpSet, gktp_lists, st.lists(st.builds(RegroupedGktps, xml_texts, gktp_lists), max_size=2).map(tuple)
)
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.BEARER: xml_texts.map(lambda text: Secret(text.encode())),
    Kind.URI: xml_texts,
    Kind.STRING: xml_texts,
    Kind.BOOLEAN: st.booleans(),
    Kind.PLAIN_TEXT: xml_texts,
    Kind.PLAIN_BOOLEAN: st.booleans(),
    Kind.GKTPS: gktp_sets,
    Kind.EXTENSIONS: st.just((b'<request-type xmlns="urn:3gpp:ns:mcpttInfo:1.0">x</request-type>',)),
}
ENCRYPTABLE = (Kind.BEARER, Kind.URI, Kind.STRING, Kind.BOOLEAN)
infos = st.fixed_dictionaries(
    {},
    optional={
        attribute: VALUES[kind] | (st.just(Encrypted(DATA)) if kind in ENCRYPTABLE else st.nothing())
        for attribute, (_, kind) in ELEMENTS.items()
    },
).map(lambda values: McpttInfo(**values))


def document(params: str) -> bytes:
    namespace = "urn:3gpp:ns:mcpttInfo:1.0"
    return f'<mcpttinfo xmlns="{namespace}"><mcptt-Params>{params}</mcptt-Params></mcpttinfo>'.encode()


def content(name: str, child: str, declared: str = ' type="Normal"') -> str:
    return f"<{name}{declared}>{child}</{name}>"


def gktp_element(attributes: str, text: str) -> str:
    return f"<MKFC-GKTPs><GKTP xmlns='urn:3gpp:ns:mcpttGKTP:1.0' {attributes}>{text}</GKTP></MKFC-GKTPs>"


ALICE = content("mcptt-request-uri", "<mcpttURI>sip:alice@mc.example</mcpttURI>")


@given(infos)
def test_round_trip_in_the_order_of_the_schema(info: McpttInfo) -> None:
    written = encode(info)
    assert decode(written) == info
    params = INFO.need(xml.parse(written), "mcptt-Params")
    order = [name for name, _ in ELEMENTS.values()]
    places = [order.index(name_of(child)) for child in params]
    assert places == sorted(places)


def test_every_attribute_is_in_the_table() -> None:
    assert [field.name for field in dataclasses.fields(McpttInfo)] == list(ELEMENTS)


def test_service_authorisation() -> None:
    octets = document(
        content("mcptt-access-token", "<mcpttString>eyJ0</mcpttString>")
        + ALICE
        + content("mcptt-client-id", "<mcpttString>urn:uuid:1</mcpttString>")
    )
    info = decode(octets)
    assert info.access_token == Secret(b"eyJ0")
    assert (info.request_uri, info.client_id) == ("sip:alice@mc.example", "urn:uuid:1")
    assert "eyJ0" not in repr(info)
    assert xml.serialise(xml.parse(octets)) == encode(info)


def test_a_document_without_parameters() -> None:
    assert decode(b'<mcpttinfo xmlns="urn:3gpp:ns:mcpttInfo:1.0"/>') == McpttInfo()


@pytest.mark.parametrize(
    "params",
    [
        ALICE + ALICE,
        content("mcptt-request-uri", ""),
        content("mcptt-request-uri", "<mcpttURI/>"),
        content("mcptt-request-uri", "<mcpttURI>a</mcpttURI><mcpttURI>b</mcpttURI>"),
        content("mcptt-request-uri", "<mcpttBoolean>true</mcpttBoolean>"),
        content("mcptt-request-uri", "<mcpttURI>a</mcpttURI>", ' type="Encrypted"'),
        content("mcptt-request-uri", "<mcpttURI>a</mcpttURI>", ' type="Other"'),
        content("mcptt-request-uri", DATA.decode()),
        content("mcptt-request-uri", DATA.decode(), ""),
        content("emergency-ind", "<mcpttString>true</mcpttString>"),
        content("emergency-ind", "<mcpttBoolean>yes</mcpttBoolean>"),
        "<broadcast-ind>yes</broadcast-ind>",
        gktp_element("id='1'", "0g"),
        gktp_element("", "00"),
        gktp_element("id='1' activationtime='x'", "00"),
    ],
)
def test_refused(params: str) -> None:
    for strict in (True, False):
        with pytest.raises(DecodeError) as caught:
            decode(document(params), strict=strict)
        assert caught.value.code.split(".")[0] in ("mcptt-info", "gktp")


@pytest.mark.parametrize("params", ["<session-type>chat</session-type>", "<no-such-element/>"])
def test_order_and_unknown_elements_are_matters_of_strictness(params: str) -> None:
    octets = document(ALICE + params)
    with pytest.raises(DecodeError):
        decode(octets)
    assert decode(octets, strict=False).request_uri == "sip:alice@mc.example"


def test_elements_of_other_namespaces_are_passed_over() -> None:
    assert decode(document("<x xmlns='urn:x'/>" + ALICE)).request_uri == "sip:alice@mc.example"


@pytest.mark.parametrize(
    "info",
    [
        McpttInfo(session_type="\0"),
        McpttInfo(request_uri="\x01"),
        McpttInfo(request_uri=Encrypted(b"<")),
        McpttInfo(access_token=Secret(b"\xff")),
        McpttInfo(mkfc_gktps=GktpSet((Gktp("", b"1"),))),
        McpttInfo(mkfc_gktps=GktpSet((Gktp("1", b""),))),
        McpttInfo(mc_org=Encrypted(DATA)),  # type: ignore[arg-type]  # must fail at run time too
        McpttInfo(extensions=(b"no element",)),
    ],
)
def test_what_cannot_be_written(info: McpttInfo) -> None:
    with pytest.raises(InvalidValue):
        encode(info)


@given(st.none() | gktp_sets, st.none() | gktp_sets)
def test_the_gktp_document(gmk: GktpSet | None, mkfc: GktpSet | None) -> None:
    written = GktpDocument(gmk, mkfc)
    assert gktp.decode(gktp.encode(written)) == written


def test_a_gktp_on_the_wire() -> None:
    octets = gktp.encode(GktpDocument(GktpSet((Gktp("k1", b"\x01\x1a"),))))
    assert octets.endswith(
        b'<GKTPs xmlns="urn:3gpp:ns:mcpttGKTP:1.0"><GMK-GKTPs><GKTP id="k1">011A</GKTP></GMK-GKTPs></GKTPs>'
    )
