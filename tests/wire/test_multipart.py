"""Bodies with several parts keep every octet of every part; broken ones are refused."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import mikey_body
from mcsec.wire.media_type import MediaType
from mcsec.wire.multipart import MAX_PARTS, Part, decode, encode, first

NASTY = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r", b"\n", b" ", b"\t", b"--", b"-", b"\0", b"\xff", b"a", b"--b", b"--b--", b"\x01"]
    ),
    max_size=12,
).map(b"".join)
bodies = st.one_of(NASTY, st.binary(max_size=60))
tokens = st.from_regex(r"\A[!#$%&'*+\-.^_`{|}~0-9A-Za-z]{1,12}\Z")
words = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20).map(str.strip)
parts = st.builds(
    Part,
    st.sampled_from(["application/mikey", "application/sdp", 'text/plain;charset="utf-8"']),
    bodies,
    st.lists(st.tuples(st.from_regex(r"\AX-[A-Z]{1,5}\Z"), words), max_size=2).map(tuple),
)


@given(st.lists(parts, min_size=1, max_size=5))
@example([Part("application/mikey", b"\x01\x1a\r\n")])
@example([Part("application/mikey", b"\r\n\r\n"), Part("application/sdp", b"")])
@example([Part("application/mikey", b" \t"), Part("application/mikey", b"\r\n--b--\r\n")])
def test_every_octet_comes_back(written: list[Part]) -> None:
    content_type, body = encode(written)
    assert decode(content_type, body) == tuple(written)


@given(st.lists(parts, min_size=1, max_size=3), st.binary(max_size=20), st.binary(max_size=20))
def test_what_stands_around_the_parts_is_ignored(written: list[Part], before: bytes, after: bytes) -> None:
    content_type, body = encode(written)
    assert decode(content_type, before + b"\r\n" + body + after) == tuple(written)


@given(st.binary(max_size=120))
@example(b"--b\r\n--b--")
@example(b"--b\r\n\r\n--b--")
@example(b"--b--")
def test_arbitrary_octets(body: bytes) -> None:
    for octets in (body, b"--b\r\n" + body + b"\r\n--b--", b"--b\r\nA: b\r\n\r\n" + body):
        try:
            decode("multipart/mixed;boundary=b", octets)
        except DecodeError as error:
            assert error.code.startswith("mime.")


def test_the_boundary_is_chosen_so_that_it_does_not_occur(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter(["aa", "bb"])
    monkeypatch.setattr(secrets, "token_hex", lambda _size: next(draws))
    part = Part("application/mikey", b"\x01--mc-aa\r\n")
    content_type, body = encode([part])
    assert content_type == "multipart/mixed;boundary=mc-bb"
    assert decode(content_type, body) == (part,)


def test_octets_on_the_wire() -> None:
    content_type, body = encode(
        [
            Part("application/sdp", b"v=0\r\n"),
            Part("application/mikey", b"\x01\r\n", (("Content-ID", "<k@a>"),)),
        ],
        boundary="simple boundary",
    )
    assert content_type == 'multipart/mixed;boundary="simple boundary"'
    assert body == (
        b"--simple boundary\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n"
        b"--simple boundary\r\nContent-Type: application/mikey\r\nContent-ID: <k@a>\r\n\r\n\x01\r\n\r\n"
        b"--simple boundary--\r\n"
    )
    assert decode(content_type, body)[1].content_id == "k@a"


def test_tolerated_forms() -> None:
    body = (
        b"preamble\r\n--b \t\r\ncontent-type : Application/SDP\r\n\r\nv=0\r\n"
        b"--b\r\n\r\nplain\r\n--b-- \r\nepilogue"
    )
    one, two = decode('Multipart/Mixed ; Boundary="b"', body)
    assert (one.essence, one.body) == ("application/sdp", b"v=0")
    assert (two.essence, two.body) == ("text/plain", b"plain")
    folded = b'--b\r\nContent-Type: a/b;\r\n  c="d"\r\n\r\n\r\n--b--'
    assert decode("multipart/mixed;boundary=b", folded) == (Part('a/b; c="d"', b""),)


def test_a_longer_boundary_is_another_boundary() -> None:
    body = b"--b\r\n\r\nx\r\n--bb\r\ny\r\n--b--z\r\n--b--"
    assert decode("multipart/mixed;boundary=b", body)[0].body == b"x\r\n--bb\r\ny\r\n--b--z"


def test_a_single_body_is_one_part() -> None:
    assert decode("application/mikey", b"--b") == (Part("application/mikey", b"--b"),)


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("multipart/mixed", b"--b--", "mime.boundary"),
        ('multipart/mixed;boundary="b "', b"--b --", "mime.boundary"),
        ("multipart/mixed;boundary=b", b"", "mime.boundary"),
        ("multipart/mixed;boundary=b", b"--b\r\n\r\nx\r\n", "mime.boundary"),
        ("multipart/mixed;boundary=b", b"--b\n\nx\n--b--", "mime.boundary"),
        ("multipart/mixed;boundary=b", b"--b--\r\n", "mime.parts"),
        ("multipart/mixed;boundary=b", b"--b\r\n\r\n\r\n" * (MAX_PARTS + 1) + b"--b--", "mime.parts"),
        ("multipart/mixed;boundary=b", b"--b\r\nno header\r\n\r\nx\r\n--b--", "mime.headers"),
        ("multipart/mixed;boundary=b", b"--b\r\nA: b\r\n--b--", "mime.headers"),
        ("multipart/mixed;boundary=b", b"--b\r\nA: " + b"b" * 5000 + b"\r\n\r\n\r\n--b--", "mime.headers"),
        ("nonsense", b"", "mime.content-type"),
        ("a/b;c=d;C=e", b"", "mime.content-type"),
        ("a/b;c", b"", "mime.content-type"),
        ("a/b" + " " * 2000, b"", "mime.content-type"),
    ],
)
def test_refused(content_type: str, body: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(content_type, body)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "written",
    [
        [],
        [Part("a/b", b"")] * (MAX_PARTS + 1),
        [Part("a/b\r\nX: y", b"")],
        [Part("a/b", b"", (("X Y", "z"),))],
        [Part("a/b", b"", (("X", "\ud800"),))],
    ],
)
def test_what_cannot_be_written(written: list[Part]) -> None:
    with pytest.raises(InvalidValue):
        encode(written)


@pytest.mark.parametrize("boundary", ["", "b ", "b\r\n", "x" * 71, "ß", "in-the-part"])
def test_boundaries_that_are_none(boundary: str) -> None:
    with pytest.raises(InvalidValue):
        encode([Part("a/b", b"--in-the-part")], boundary=boundary)


@given(tokens, tokens, st.dictionaries(tokens.map(str.lower), words, max_size=3))
def test_content_types_round_trip(kind: str, subtype: str, parameters: dict[str, str]) -> None:
    written = MediaType(f"{kind}/{subtype}".lower(), parameters)
    assert MediaType.parse(str(written)) == written


def test_line_ends_do_not_get_into_a_content_type() -> None:
    with pytest.raises(InvalidValue):
        str(MediaType("a/b", {"c": "d\r\nX: y"}))


@given(st.binary(max_size=80), st.sampled_from(mikey_body.Form))
def test_mikey_bodies_are_raw_or_base64(tail: bytes, form: mikey_body.Form) -> None:
    message = b"\x01" + tail
    content_type, body = encode([Part("application/sdp", b""), mikey_body.encode(message, form)])
    part = first(decode(content_type, body), "application/mikey")
    assert part is not None
    assert mikey_body.decode(part) == message


def test_base64_with_line_ends_and_with_a_transfer_encoding() -> None:
    assert mikey_body.decode(Part("application/mikey", b"ARoF\r\n AQ==\r\n")) == b"\x01\x1a\x05\x01"
    encoded = Part("application/mikey", b"ARoF", (("content-transfer-encoding", "BASE64"),))
    assert mikey_body.decode(encoded) == b"\x01\x1a\x05"


@pytest.mark.parametrize(
    "part",
    [
        Part("application/mikey", b""),
        Part("application/mikey", b"\x02\x1a"),
        Part("application/mikey", b"AhoF"),
        Part("application/mikey", b"ARoF!"),
        Part("application/mikey", b"ARo"),
        Part("application/mikey", b"\x01" * (1 << 18)),
        Part("application/mikey", b"=01", (("Content-Transfer-Encoding", "quoted-printable"),)),
    ],
)
def test_bodies_that_are_no_mikey_message(part: Part) -> None:
    with pytest.raises(DecodeError):
        mikey_body.decode(part)
    with pytest.raises(InvalidValue):
        mikey_body.encode(b"\x02")
