"""Reading SIP messages tolerantly and writing them strictly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue
from mcsec.net.sip.compose import answer_to_bad, make_request, make_response
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.headers import Headers
from mcsec.net.sip.message import Limits, Request, Response, decode, encode

HEAD = (
    "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport\r\n"
    "From: <sip:alice@mc.example>;tag=a\r\nTo: <sip:bob@mc.example>\r\n"
    "Call-ID: 1@host\r\nCSeq: 7 MESSAGE\r\n"
)


def request(extra: str = "", body: bytes = b"", first: str = "MESSAGE sip:bob@mc.example SIP/2.0") -> bytes:
    return f"{first}\r\n{HEAD}{extra}\r\n".encode() + body


def refused(octets: bytes, **options: object) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        decode(octets, **options)
    return caught.value


def test_a_request_is_read_and_written_back() -> None:
    octets = request("Content-Type: application/mikey\r\nContent-Length: 4\r\n", b"\x00\r\n\xff")
    message = decode(octets, stream=True)
    assert isinstance(message, Request)
    assert (message.method, message.uri, message.body) == ("MESSAGE", "sip:bob@mc.example", b"\x00\r\n\xff")
    assert message.vias[0].sent_by == ("192.0.2.1", 5070)
    assert (message.from_.tag, message.to.tag) == ("a", None)
    assert (message.cseq.number, message.call_id) == (7, "1@host")
    assert message.content_type == "application/mikey"
    assert encode(message) == octets
    assert decode(encode(message), stream=True) == message


def test_a_repr_shows_no_body_and_no_header_value() -> None:
    message = decode(request("Authorization: Bearer abcdef\r\n", b"token-in-body"))
    assert "abcdef" not in repr(message) + repr(message.headers)
    assert "token-in-body" not in repr(message)
    assert "Authorization" in repr(message.headers)


@pytest.mark.parametrize(
    ("extra", "name", "values"),
    [
        ("Subject: one\r\n  two\r\n\tthree\r\n", "subject", ("one two three",)),
        ("s: short\r\n", "Subject", ("short",)),
        ("SUPPORTED : path\r\n", "Supported", ("path",)),
        ("k: a\r\nSupported: b, c\r\n", "k", ()),
        ("m:<sip:a@h>\r\n", "Contact", ("<sip:a@h>",)),
        ("Empty:\r\n", "Empty", ("",)),
    ],
)
def test_headers_are_read_tolerantly(extra: str, name: str, values: tuple[str, ...]) -> None:
    assert decode(request(extra)).headers.all(name) == values


def test_keep_alives_before_the_start_line_do_no_harm() -> None:
    assert decode(b"\r\n\r\n" + request()) == decode(request())


@pytest.mark.parametrize(
    "uri", ["urn:service:sos", "tel:+358501234567", "sip:a@host_with_underscore", "sips:[2001:db8::1]:5061"]
)
def test_request_uris_of_any_scheme(uri: str) -> None:
    message = decode(request(first=f"MESSAGE {uri} SIP/2.0"))
    assert isinstance(message, Request)
    assert message.parsed_uri().encode() == uri


def test_a_datagram_is_cut_at_content_length_and_a_stream_is_not() -> None:
    octets = request("Content-Length: 2\r\n", b"abcdef")
    assert decode(octets).body == b"ab"
    assert refused(octets, stream=True).status == 400
    assert decode(request("", b"abcdef")).body == b"abcdef"
    assert refused(request("", b""), stream=True).status == 400


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (request("Content-Length: 9\r\n", b"short"), 400),
        (request("Content-Length: -9\r\n"), 400),
        (request("Content-Length: 0\r\nl: 0\r\n"), 400),
        (request("Content-Length: 99999999\r\n", b"x"), 413),
        (request("", b"x" * 100_000), 413),
        (request(first="MESSAGE sip:bob@mc.example SIP/3.0"), 505),
        (request(first="MESSAGE sip:bob@mc.example HTTP/1.1"), 400),
        (request(first="MESSAGE sip:bob@mc.example"), 400),
        (request(first="MESSAGE <sip:bob@mc.example> SIP/2.0"), 400),
        (request(first="MESSAGE sip:" + "b" * 5000 + " SIP/2.0"), 414),
        (request(first="OPTIONS sip:bob@mc.example SIP/2.0"), 400),
        (request("no colon here\r\n"), 400),
        (request("Bad\x01Name: x\r\n"), 400),
        (request("Max-Forwards: 300\r\n"), 400),
        (request("Max-Forwards: 70\r\nMax-Forwards: 70\r\n"), 400),
        (request("To: <sip:eve@mc.example>\r\n"), 400),
        (request("X: a\rb\r\n"), 400),
        (request("X: a\nInjected: b\r\n"), 400),
    ],
)
def test_a_bad_request_says_which_answer_is_due(octets: bytes, status: int) -> None:
    error = refused(octets, limits=Limits(body=50_000))
    assert error.status == status
    assert error.headers is not None
    assert error.headers.get("Call-ID") == "1@host"


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\r\n\r\n",
        b"MESSAGE sip:a@b SIP/2.0\r\nVia: x",
        b"MESSAGE sip:a@b SIP/2.0\r\nSubject: \xff\xfe\r\n\r\n",
        request("X: " + "y" * 40_000 + "\r\n"),
        request("X: y\r\n" * 300),
        b"SIP/2.0 99 Low\r\n" + HEAD.encode() + b"\r\n",
        b"SIP/2.0 4294967301 Big\r\n" + HEAD.encode() + b"\r\n",
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n",
        b"SIP/1.0 200 OK\r\n" + HEAD.encode() + b"\r\n",
    ],
)
def test_where_no_answer_is_possible_none_is_named(octets: bytes) -> None:
    error = refused(octets)
    assert error.status is None
    assert answer_to_bad(error) is None


def test_the_answer_to_a_bad_request_can_be_sent() -> None:
    response = answer_to_bad(refused(request(first="MESSAGE sip:bob@mc.example SIP/3.0")))
    assert response is not None
    again = decode(encode(response))
    assert isinstance(again, Response)
    assert (again.status, again.reason, again.vias[0].branch) == (505, "Version Not Supported", "z9hG4bK1")
    assert again.to.tag


def test_an_ack_is_never_answered() -> None:
    octets = request(first="ACK sip:bob@mc.example SIP/3.0").replace(b"7 MESSAGE", b"7 ACK")
    assert answer_to_bad(refused(octets)) is None


def test_a_response_without_reason_is_read() -> None:
    for line in (b"SIP/2.0 100 ", b"SIP/2.0 100", b"sip/2.0 100 Trying"):
        message = decode(line + b"\r\n" + HEAD.encode() + b"\r\n")
        assert isinstance(message, Response)
        assert (message.status, message.final) == (100, False)


def test_a_response_copies_what_the_rules_say() -> None:
    message = decode(request("Via: SIP/2.0/TCP other\r\nTimestamp: 54\r\n"))
    assert isinstance(message, Request)
    trying = make_response(message, 100)
    assert trying.to.tag is None
    assert trying.headers.get("Timestamp") == "54"
    ok = make_response(message, 200, to_tag="b", body=b"x", content_type="text/plain")
    assert [via.transport for via in ok.vias] == ["UDP", "TCP"]
    assert (ok.to.tag, ok.from_.tag, ok.call_id, ok.cseq) == ("b", "a", "1@host", message.cseq)
    assert ok.headers.get("Timestamp") is None


def test_a_bare_uri_gets_brackets_before_its_tag() -> None:
    bare = request().replace(b"To: <sip:bob@mc.example>", b"To: sip:bob@mc.example")
    message = decode(bare)
    assert isinstance(message, Request)
    assert make_response(message, 200, to_tag="b").headers.get("To") == "<sip:bob@mc.example>;tag=b"


@pytest.mark.parametrize(
    "broken",
    [
        Request("MES SAGE", "sip:a@b"),
        Request("MESSAGE", "sip:a@b SIP/2.0\r\nX: y"),
        Request("MESSAGE", "sip:a@b", headers=Headers([("X", "a\r\nY: b")])),
        Request("MESSAGE", "sip:a@b", headers=Headers([("X", "a\nY: b")])),
        Request("MESSAGE", "sip:a@b", headers=Headers([("X: y", "a")])),
        Request("MESSAGE", "sip:a@b", headers=Headers([("Content-Length", "7")])),
        Request("MESSAGE", "sip:a@b", headers=Headers([("X", "\ud800")])),
        Response(200, "OK\r\nX: y"),
        Response(99, "Low"),
    ],
)
def test_nothing_can_be_smuggled_into_what_we_write(broken: Request | Response) -> None:
    with pytest.raises(InvalidValue):
        encode(broken)


def test_a_body_has_a_type() -> None:
    with pytest.raises(InvalidValue):
        make_request("MESSAGE", "sip:a@b", from_="sip:c@d", body=b"x")
    with pytest.raises(InvalidValue):
        make_response(make_request("MESSAGE", "sip:a@b", from_="sip:c@d"), 200, content_type="text/plain")


def test_headers_change_by_copy() -> None:
    headers = Headers([("Via", "1"), ("To", "x"), ("via", "2"), ("Subject", "s")])
    assert list(headers.set("VIA", "3", "4")) == [("VIA", "3"), ("VIA", "4"), ("To", "x"), ("Subject", "s")]
    assert list(headers.set("Event", "presence"))[-1] == ("Event", "presence")
    assert headers.without("VIA").all("Via") == ()
    assert headers.first("Via", "0").all("via") == ("0", "1", "2")
    assert headers.all("via") == ("1", "2")
    assert "SUBJECT" in headers
    assert headers == Headers([("VIA", "1"), ("to", "x"), ("Via", "2"), ("subject", "s")])
    assert headers != Headers([("Via", "1")])


TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_characters="\x7f"), max_size=40)


@given(
    st.lists(st.tuples(st.from_regex(r"X-[A-Za-z0-9!%*_+'~.]{1,12}", fullmatch=True), TEXT), max_size=6),
    st.binary(max_size=200),
)
def test_what_is_written_is_read_back(lines: list[tuple[str, str]], body: bytes) -> None:
    trimmed = [(name, value.strip(" \t")) for name, value in lines]
    message = make_request(
        "MESSAGE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=[("Via", "SIP/2.0/TCP h;branch=z9hG4bK2"), *trimmed],
        body=body,
        content_type="application/mikey" if body else None,
    )
    assert decode(encode(message), stream=True) == message


@given(st.binary(max_size=300))
def test_arbitrary_octets_never_raise_anything_else(octets: bytes) -> None:
    for candidate in (octets, request(first="INVITE sip:a@b SIP/2.0")[:-2] + octets + b"\r\n\r\n"):
        try:
            decode(candidate)
        except BadMessage as error:
            answer_to_bad(error)


@given(st.data())
def test_a_message_with_octets_changed_never_raises_anything_else(data: st.DataObject) -> None:
    octets = bytearray(request("Content-Type: text/plain\r\nContent-Length: 3\r\n", b"abc"))
    for _ in range(data.draw(st.integers(1, 6))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = decode(bytes(octets))
    except BadMessage as error:
        answer_to_bad(error)
    else:
        if isinstance(message, Request):
            make_response(message, 200)
