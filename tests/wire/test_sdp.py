"""Session descriptions, floor lines as they are seen in the field, bearer announcements."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.sdp import Attribute, Connection, Media, Session, decode, encode
from mcsec.wire.sdp_mcptt import (
    FloorParameters,
    GeneralPurpose,
    announcement,
    floor_line,
    floor_parameters,
    general_purpose,
    is_floor_line,
    key_attribute,
    key_message,
)

ORIGIN = "- 1 1 IN IP4 192.0.2.1"
AUDIO = Media("audio", 40000, "RTP/SAVP", ("97",), (Attribute("rtpmap", "97 AMR-WB/16000"),), "speech")
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/SAVP 97\r\ni=speech\r\na=rtpmap:97 AMR-WB/16000\r\n"
    b"m=application 40002 udp MCPTT\r\na=fmtp:MCPTT mc_queueing;mc_priority=5;mc_granted;mc_implicit_request\r\n"
)
words = st.text(
    st.characters(codec="ascii", exclude_categories=["Cc", "Zs"], exclude_characters=":/"),
    min_size=1,
    max_size=8,
)
values = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20
)
attributes = st.lists(st.builds(Attribute, words, st.none() | values), max_size=3).map(tuple)
connections = st.none() | st.one_of(
    st.builds(Connection, st.ip_addresses(v=4), st.none() | st.integers(0, 255)),
    st.builds(Connection, st.ip_addresses(v=6)),
)
media = st.builds(
    Media,
    words,
    st.integers(0, 65535),
    words,
    st.lists(words, min_size=1, max_size=3).map(tuple),
    attributes,
    st.none() | values,
    connections,
    st.lists(st.tuples(st.just("b"), values), max_size=2).map(tuple),
)
sessions = st.builds(
    Session,
    values,
    values,
    connections,
    attributes,
    st.lists(media, max_size=3).map(tuple),
    st.lists(st.tuples(st.just("t"), values), min_size=1, max_size=2).map(tuple),
)
parameters = st.builds(
    FloorParameters,
    queueing=st.booleans(),
    priority=st.none() | st.integers(1, 255),
    granted=st.booleans(),
    implicit_request=st.booleans(),
    ssrc=st.none() | st.integers(0, 0xFFFFFFFF),
    no_floor_control=st.booleans(),
    others=st.lists(st.from_regex(r"\Ax_[a-z]{1,8}(=[0-9]{1,3})?\Z"), max_size=2, unique=True).map(tuple),
)


@given(sessions)
def test_round_trip(session: Session) -> None:
    assert decode(encode(session)) == session


def test_an_offer_on_the_wire() -> None:
    session = decode(OFFER)
    assert encode(session) == OFFER
    assert decode(OFFER.replace(b"\r\n", b"\n")) == session
    assert session.line(1).title == "speech"
    assert str(session.where(session.line(2)).address) == "192.0.2.1"
    assert floor_parameters(session.line(2)) == FloorParameters(
        queueing=True, priority=5, granted=True, implicit_request=True
    )


def test_lines_come_in_the_order_of_the_standard() -> None:
    mixed = OFFER.replace(
        b"t=0 0\r\n", b"t=0 0\r\nr=7d 1h 0\r\nt=1 1\r\na=x\r\nb=AS:64\r\ni=about\r\nz=0 1h\r\n"
    )
    session = decode(mixed)
    written = encode(session)
    assert decode(written) == session
    letters = [line[:1] for line in written.split(b"\r\n")]
    assert b"".join(letters[:11]) == b"vosicbtrtza"


@given(st.binary(max_size=80))
def test_arbitrary_octets(octets: bytes) -> None:
    head = b"v=0\no=a\ns=b\n"
    for body in (
        octets,
        b"v=0\n" + octets,
        head,
        head + octets,
        OFFER + octets,
        OFFER + b"m=" + octets,
        OFFER + b"c=" + octets,
    ):
        try:
            decode(body)
        except DecodeError as error:
            assert error.code.startswith("sdp.")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"v=0", b"v=1", "sdp.version"),
        (b"v=0\r\n", b"", "sdp.version"),
        (b"s=-", b"s=\xff", "sdp.malformed"),
        (b"s=-\r\n", b"", "sdp.malformed"),
        (b"s=-", b"s=", "sdp.malformed"),
        (b"s=-", b"s = -", "sdp.malformed"),
        (b"s=-", b"s=-\r", "sdp.malformed"),
        (b"t=0 0", b"o=x", "sdp.malformed"),
        (b"c=IN IP4 192.0.2.1", b"c=IN IP4 192.0.2.256", "sdp.connection"),
        (b"c=IN IP4 192.0.2.1", b"c=IN IP6 192.0.2.1", "sdp.connection"),
        (b"c=IN IP4 192.0.2.1", b"c=IN IP4 224.2.1.1/127/3", "sdp.connection"),
        (b"c=IN IP4 192.0.2.1", b"c=IN IP4 224.2.1.1/256", "sdp.connection"),
        (b"c=IN IP4 192.0.2.1", b"c=IN IP6 ff3e::1/3", "sdp.connection"),
        (b"c=IN IP4 192.0.2.1", b"c=IN IP4 host.example", "sdp.connection"),
        (b"m=audio 40000", b"m=audio 65536", "sdp.media"),
        (b"m=audio 40000", b"m=audio 40000/2", "sdp.media"),
        (b"m=audio 40000 RTP/SAVP 97", b"m=audio 40000", "sdp.media"),
        (b"i=speech", b"i=a\r\ni=b", "sdp.malformed"),
        (b"a=rtpmap", b"a=x" + b"x" * (1 << 17), "sdp.too-large"),
        (b"m=audio", b"m=a 1 b c\r\n" * 64 + b"m=audio", "sdp.too-large"),
    ],
)
def test_refused(old: bytes, new: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(OFFER.replace(old, new, 1))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "session",
    [
        Session(""),
        Session("a\r\nb"),
        Session("\ud800"),
        Session(ORIGIN, others=(("m", "audio 1 a b"),)),
        Session(ORIGIN, others=(("T", "0"),)),
        Session(ORIGIN, others=(("c", "IN IP4 192.0.2.1"),)),
        Session(ORIGIN, attributes=(Attribute("a:b"),)),
        Session(ORIGIN, media=(replace(AUDIO, port=65536),)),
        Session(ORIGIN, media=(replace(AUDIO, formats=()),)),
        Session(ORIGIN, media=(replace(AUDIO, formats=("9 7",)),)),
        Session(ORIGIN, media=(replace(AUDIO, kind="au dio"),)),
        Session(ORIGIN, connection=Connection(IPv4Address(1), 256)),
    ],
)
def test_what_cannot_be_written(session: Session) -> None:
    with pytest.raises(InvalidValue):
        encode(session)


@pytest.mark.parametrize("number", [0, 3, -1, 16])
def test_m_lines_that_are_not_there(number: int) -> None:
    with pytest.raises(DecodeError):
        decode(OFFER).line(number)


@given(parameters)
def test_floor_parameters_round_trip(written: FloorParameters) -> None:
    session = decode(encode(Session(ORIGIN, media=(floor_line(9, written),))))
    assert floor_parameters(session.line(1)) == written


@pytest.mark.parametrize(
    "line",
    [
        "m=application 22914 udp MCPTT\r\na=fmtp:MCPTT MCPTT mc_priority=7;mc_queueing\r\n",
        "m=application 22914 UDP/MCPTT 100\r\na=fmtp:100 mc_priority=7;mc_queueing\r\n",
        "m=application 22914 UDP MCPTT\r\na=fmtp:MCPTT mc_queueing; mc_priority=7;\r\n",
        "m=application 22914 udp MCPTT\r\na=fmtp:MCPTT mc_queueing\r\na=fmtp:MCPTT MC_PRIORITY=7\r\n",
        "m=application 22914 udp MCPTT\r\na=fmtp:mcptt mc_queueing;mc_priority = 7\r\n",
        "m=application 22914 udp MCPTT\r\na=fmtp:101 mc_granted\r\na=fmtp:MCPTT mc_queueing;mc_priority=7\r\n",
    ],
)
def test_floor_lines_of_other_people(line: str) -> None:
    """The first two are written by public clients; the line that we write is the standard's."""
    body = b"v=0\r\no=x\r\ns=-\r\nt=0 0\r\n" + line.encode()
    media = decode(body.replace(b"mc_priority = 7", b"mc_priority= 7")).line(1)
    assert is_floor_line(media)
    assert floor_parameters(media) == FloorParameters(queueing=True, priority=7)


def test_a_line_without_parameters_has_the_defaults() -> None:
    line = floor_line(9, FloorParameters())
    assert line == Media("application", 9, "udp", ("MCPTT",))
    assert floor_parameters(line) == FloorParameters()
    assert not is_floor_line(AUDIO)
    assert not is_floor_line(Media("application", 9, "udp", ("MCVideo",)))


@pytest.mark.parametrize(
    "value",
    ["mc_priority=0", "mc_priority=256", "mc_priority", "mc_priority=1;mc_priority=1", "mc_ssrc=4294967296"],
)
def test_floor_parameters_that_are_none(value: str) -> None:
    media = Media("application", 9, "udp", ("MCPTT",), (Attribute("fmtp", f"MCPTT {value}"),))
    with pytest.raises(DecodeError) as caught:
        floor_parameters(media)
    assert caught.value.code == "sdp.floor"


@pytest.mark.parametrize("written", [FloorParameters(priority=0), FloorParameters(ssrc=1 << 32)])
def test_floor_parameters_that_cannot_be_written(written: FloorParameters) -> None:
    with pytest.raises(InvalidValue):
        floor_line(9, written)


@given(st.binary(min_size=1, max_size=60))
def test_key_messages(message: bytes) -> None:
    line = replace(AUDIO, attributes=(Attribute("key-mgmt", "other abc"), key_attribute(message)))
    session = decode(encode(Session(ORIGIN, attributes=(key_attribute(message),), media=(line,))))
    assert key_message(session) == key_message(session.line(1)) == message


def test_key_messages_that_are_none() -> None:
    assert key_message(AUDIO) is None
    quoted = replace(AUDIO, attributes=(Attribute("key-mgmt", 'MIKEY "AQI="'),))
    assert key_message(quoted) == b"\1\2"
    for value in ("mikey AQ", "mikey !!", "mikey \u00e4"):
        with pytest.raises(DecodeError):
            key_message(replace(AUDIO, attributes=(Attribute("key-mgmt", value),)))
    twice = (key_attribute(b"1"), key_attribute(b"2"))
    with pytest.raises(DecodeError):
        key_message(replace(AUDIO, attributes=twice))


@pytest.mark.parametrize("address", [IPv4Address("239.1.2.3"), IPv6Address("ff3e::1:2")])
def test_a_bearer_announcement(address: IPv4Address | IPv6Address) -> None:
    subchannel = GeneralPurpose(address, 5000, b"\x01\x1a message")
    made = announcement(ORIGIN, subchannel, AUDIO)
    session = decode(encode(made.session))
    assert session == made.session
    assert general_purpose(session, made.gpms) == subchannel
    audio, floor = session.line(made.audio_line), session.line(made.floor_line)
    assert (audio.kind, audio.port, session.where(audio).address.is_unspecified) == ("audio", 9, True)
    assert audio.formats == AUDIO.formats
    assert is_floor_line(floor)
    for wrong in (made.audio_line, made.floor_line, 4):
        with pytest.raises(DecodeError):
            general_purpose(session, wrong)


def test_a_key_message_may_stand_before_the_lines() -> None:
    line = floor_line(5000, FloorParameters(), Connection(IPv4Address("239.1.2.3"), 1))
    session = Session(ORIGIN, attributes=(key_attribute(b"key"),), media=(line,))
    assert general_purpose(session, 1).key_message == b"key"
    with pytest.raises(DecodeError):
        general_purpose(Session(ORIGIN, media=(replace(line, connection=None),)), 1)
