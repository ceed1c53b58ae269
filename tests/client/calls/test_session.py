"""Descriptions of calls: what is written reads back, what will not do is refused, and nothing else ever comes out."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.client.calls.session import Terms, describe, read
from mcsec.errors import DecodeError, PeerError, Refused
from mcsec.wire import sdp
from mcsec.wire.sdp_mcptt import FloorParameters

FLOOR, MEDIA = ("192.0.2.1", 40_000), ("192.0.2.1", 40_002)
OURS = sdp.encode(describe(7, FLOOR, MEDIA, FloorParameters(queueing=True, ssrc=5))).decode()

parameters = st.builds(
    FloorParameters,
    queueing=st.booleans(),
    priority=st.none() | st.integers(1, 255),
    granted=st.booleans(),
    implicit_request=st.booleans(),
    ssrc=st.none() | st.integers(0, 0xFFFFFFFF),
)


@given(st.ip_addresses(), st.integers(1, 65535), st.integers(1, 65535), parameters)
def test_reads_back(address: object, floor: int, media: int, floor_parameters: FloorParameters) -> None:
    host = str(address)
    made = describe(1, (host, floor), (host, media), floor_parameters)
    written = sdp.decode(sdp.encode(made))
    where = ip_address(host)
    if where.is_unspecified or where.is_multicast:
        with pytest.raises(Refused):
            read(written)
    else:
        assert read(written) == Terms((host, floor), (host, media), floor_parameters)


def test_is_written_as_the_specifications_have_it() -> None:
    assert OURS.splitlines() == [
        "v=0",
        "o=- 7 1 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
        "m=audio 40002 RTP/SAVP 0",
        "i=speech",
        "a=rtpmap:0 PCMU/8000",
        "a=ptime:20",
        "m=application 40000 udp MCPTT",
        "a=fmtp:MCPTT mc_queueing;mc_ssrc=5",
    ]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("RTP/SAVP", "RTP/AVP", "call.media-clear"),
        ("RTP/SAVP 0", "RTP/SAVP 97 8", "call.codec"),
        ("m=audio 40002", "m=audio 0", "call.sdp"),
        ("m=application 40000", "m=application 0", "call.sdp"),
        ("udp MCPTT", "udp OTHER", "call.sdp"),
        ("c=IN IP4 192.0.2.1", "c=IN IP4 239.0.0.1", "call.sdp"),
    ],
)
def test_what_will_not_do(old: str, new: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        read(sdp.decode(OURS.replace(old, new).encode()))
    assert caught.value.code == code


def test_an_address_of_a_line_counts_before_the_session_and_other_codecs_may_stand_beside() -> None:
    text = OURS.replace("udp MCPTT", "udp MCPTT\r\nc=IN IP4 192.0.2.9").replace("SAVP 0", "SAVP 97 0")
    assert read(sdp.decode(text.encode())).floor == ("192.0.2.9", 40_000)


def test_no_address_at_all() -> None:
    with pytest.raises(DecodeError):
        read(sdp.decode(OURS.replace("c=IN IP4 192.0.2.1\r\n", "").encode()))


@given(
    st.lists(
        st.sampled_from(OURS.splitlines()[1:]) | st.text("amcitos=:0 /ARTPSVMC", max_size=30), max_size=14
    )
)
def test_whatever_comes_is_terms_or_a_peers_error(lines: list[str]) -> None:
    try:
        found = read(sdp.decode("\r\n".join(["v=0", *lines]).encode()))
    except PeerError:
        return
    assert found.floor[1]
    assert found.media[1]
