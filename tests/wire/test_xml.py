"""XML of a peer reads no file, opens no connection, and cannot be large, deep or full of entities."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, set_attribute, set_text, to_boolean, to_number, to_octets, to_time

BILLION_LAUGHS = (
    b'<!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">'.encode() for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + b"]><lolz>&i;</lolz>"
)


def refused(document: bytes) -> str:
    with pytest.raises(DecodeError) as caught:
        xml.parse(document)
    return caught.value.code


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "xml.malformed"),
        (b"<a>", "xml.malformed"),
        (b"<a>\xff</a>", "xml.malformed"),
        (b'<?xml version="1.0" encoding="no-such"?><a/>', "xml.malformed"),
        (b"<a>&undefined;</a>", "xml.malformed"),
        (b"<!DOCTYPE a><a/>", "xml.doctype"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "xml.doctype"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>', "xml.doctype"),
        (BILLION_LAUGHS, None),
        (b"<a>" * 65 + b"</a>" * 65, "xml.depth"),
        (b"<a>" * 50_000 + b"</a>" * 50_000, "xml.malformed"),
        (b"<a>" + b" " * xml.MAX_OCTETS + b"</a>", "xml.too-large"),
    ],
)
def test_refused(document: bytes, code: str | None) -> None:
    found = refused(document)
    assert found == code or (code is None and found in ("xml.doctype", "xml.malformed"))


def test_no_file_is_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("do not read me")
    document = f'<!DOCTYPE a [<!ENTITY b SYSTEM "{secret.as_uri()}">]><a>&b;</a>'
    with pytest.raises(DecodeError) as caught:
        xml.parse(document.encode())
    assert "do not read me" not in str(caught.value)


def test_the_deepest_and_the_largest_that_pass() -> None:
    assert xml.parse(b"<a>" * 64 + b"</a>" * 64).tag == "a"
    assert xml.parse(b"<a>" + b" " * (xml.MAX_OCTETS - 7) + b"</a>").tag == "a"


def test_comments_do_not_split_text() -> None:
    """A comment inside an identity must not hide its rest from one reader and show it to another."""
    element = xml.parse(b"<a>admin<!-- -->istrator<?pi?>!</a>")
    assert element.text == "administrator!"
    assert len(element) == 0


@given(st.binary(max_size=80))
def test_arbitrary_octets(octets: bytes) -> None:
    for document in (octets, b"<a>" + octets + b"</a>", b'<?xml version="1.0"?>' + octets):
        try:
            xml.parse(document)
        except DecodeError as error:
            assert error.code.startswith("xml.")


def test_canonical_form_is_the_same_wherever_the_element_stands() -> None:
    inside = xml.parse(b'<a xmlns="urn:a" xmlns:b="urn:b"><b:c z="1"  y="2"/>tail</a>')
    alone = xml.parse(b'<b:c xmlns:b="urn:b" y="2" z="1"></b:c>')
    assert xml.canonical(inside[0]) == xml.canonical(alone) == b'<b:c xmlns:b="urn:b" y="2" z="1"></b:c>'
    inherited = xml.parse(b'<a xmlns="urn:a" xmlns:b="urn:b"><c><d><e/></d></c></a>')
    whole = b'<c xmlns="urn:a" xmlns:b="urn:b"><d><e></e></d></c>'
    assert xml.canonical(inherited[0], inclusive=True) == whole
    assert xml.canonical(inherited[0]) == whole.replace(b' xmlns:b="urn:b"', b"")
    with pytest.raises(DecodeError) as caught:
        xml.canonical(xml.parse(b'<a xmlns="TOBEDEFINED"/>'))
    assert caught.value.code == "xml.canonical"


class TestElements:
    space = Namespace("urn:x", "x")

    def code(self, document: bytes) -> str:
        root = self.space.parse(document, "a")
        with pytest.raises(DecodeError) as caught:
            self.space.value(self.space.need(root, "n"), to_number)
        return caught.value.code

    def test_faults(self) -> None:
        assert self.code(b'<a xmlns="urn:x"/>') == "x.element"
        assert self.code(b'<a xmlns="urn:x"><n>1</n><n>1</n></a>') == "x.element"
        assert self.code(b'<a xmlns="urn:x"><n xmlns="urn:y">1</n></a>') == "x.element"
        assert self.code(b'<a xmlns="urn:x"><n>1<m/></n></a>') == "x.element"
        assert self.code(b'<a xmlns="urn:x"><n>-1</n></a>') == "x.value"
        with pytest.raises(DecodeError):
            self.space.parse(b'<b xmlns="urn:x"/>', "a")
        with pytest.raises(DecodeError):
            self.space.parse(b"<a/>", "a")

    def test_an_error_does_not_quote_the_peer(self) -> None:
        root = self.space.parse(b'<a xmlns="urn:x"><n>secret</n></a>', "a")
        with pytest.raises(DecodeError) as caught:
            self.space.maybe(root, "n", to_number)
        assert "secret" not in caught.value.describe()

    @pytest.mark.parametrize(
        ("convert", "text"),
        [
            (to_boolean, "TRUE"),
            (to_boolean, ""),
            (to_number, "\u0663"),
            (to_number, "1" * 19),
            (to_octets, "0"),
            (to_octets, ""),
            (to_octets, "00 11"),
            (to_octets, "\uff10\uff10"),
            (to_time, "today"),
            (to_time, ""),
            (to_time, "0001-01-01T00:00:00+14:00"),
        ],
    )
    def test_values_that_are_none(self, convert: type, text: str) -> None:
        with pytest.raises(ValueError):
            convert(text)

    def test_what_cannot_be_written(self) -> None:
        root = self.space.root("a")
        with pytest.raises(InvalidValue):
            set_text(root, "\0")
        with pytest.raises(InvalidValue):
            set_attribute(root, "b", "\x01")
