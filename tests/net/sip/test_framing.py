"""Cutting a stream into messages and keep-alives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.framing import KeepAlive, StreamFramer
from mcsec.net.sip.message import Limits, decode

PING, PONG = KeepAlive.PING, KeepAlive.PONG


def message(body: bytes, name: str = "Content-Length") -> bytes:
    head = (
        "MESSAGE sip:bob@mc.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9\r\nFrom: <sip:a@h>;tag=1\r\n"
        f"To: <sip:b@h>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n{name}: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def messages(found: list[bytes | KeepAlive]) -> list[bytes]:
    return [item for item in found if isinstance(item, bytes)]


@pytest.mark.parametrize("name", ["Content-Length", "l", "CONTENT-LENGTH ", "L\t", "Content-Length:\r\n  "])
def test_the_length_is_found_however_it_is_written(name: str) -> None:
    octets = message(b"ab", name.rstrip(":\r\n ") if name.endswith("\r\n  ") else name)
    if name.endswith("\r\n  "):
        octets = octets.replace(b"Content-Length: ", b"Content-Length:\r\n  ")
    assert list(StreamFramer().feed(octets + octets)) == [octets, octets]
    assert decode(octets, stream=True).body == b"ab"


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=4), st.data())
def test_messages_come_out_whole_however_the_stream_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    sent = [message(body) for body in bodies]
    stream = b"\r\n\r\n".join(sent)
    framer = StreamFramer()
    found: list[bytes | KeepAlive] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += framer.feed(stream[:size])
        stream = stream[size:]
    assert messages(found) == sent
    assert found.count(PING) == len(sent) - 1
    assert not framer.midway


def test_keep_alives() -> None:
    framer = StreamFramer()
    assert list(framer.feed(b"\r")) == []
    assert list(framer.feed(b"\n")) == [PONG]
    assert list(framer.feed(b"\r\n")) == [PING]
    assert list(framer.feed(b"\r\n\r\n\r\n")) == [PONG, PING, PONG]
    assert list(framer.feed(message(b""))) == [message(b"")]
    assert list(framer.feed(b"\r\n")) == [PONG]


def refused(octets: bytes, limits: Limits | None = None) -> BadMessage:
    with pytest.raises(BadMessage) as caught:
        list(StreamFramer(limits or Limits()).feed(octets))
    return caught.value


def test_what_cannot_be_framed_says_which_answer_is_due() -> None:
    assert refused(message(b"").replace(b"Content-Length: 0\r\n", b"")).status == 400
    assert refused(message(b"").replace(b"Content-Length: 0", b"Content-Length: 0\r\nl: 1")).status == 400
    assert refused(message(b"").replace(b"Length: 0", b"Length: -1")).status == 400
    too_long = refused(message(b"x" * 11), Limits(body=10))
    assert too_long.status == 413
    assert too_long.headers is not None


def test_headers_without_end_are_refused_at_the_limit() -> None:
    framer = StreamFramer(Limits(head=100))
    list(framer.feed(b"MESSAGE sip:b@h SIP/2.0\r\n"))
    assert framer.midway
    list(framer.feed(b"X: " + b"y" * 70))
    with pytest.raises(BadMessage):
        list(framer.feed(b"y" * 10))


@given(st.binary(max_size=400))
def test_arbitrary_octets_raise_nothing_else(octets: bytes) -> None:
    try:
        for found in StreamFramer().feed(octets + b"\r\n\r\n"):
            assert found in (PING, PONG) or isinstance(found, bytes)
    except BadMessage:
        pass
