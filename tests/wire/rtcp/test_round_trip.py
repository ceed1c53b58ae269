"""Every message of every protocol survives encoding and decoding; arbitrary octets do no harm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.errors import DecodeError
from mcsec.wire.rtcp import LEGACY, LENIENT, STRICT, Profile, decode, encode
from mcsec.wire.rtcp.app import AppPacket, decode_packets
from mcsec.wire.rtcp.table import Row
from support.rtcp import messages_of, profile_of, rows

ROWS = list(rows())
any_row = st.sampled_from(ROWS)


def name_of(row: Row) -> str:
    return row.message.__name__


def offset_of_failure(octets: bytes, profile: Profile) -> int:
    try:
        decode(octets, profile)
    except DecodeError as error:
        return error.offset
    return len(octets)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
@settings(max_examples=30)
@given(data=st.data())
def test_round_trip(row: Row, data: st.DataObject) -> None:
    message = data.draw(messages_of(row))
    profile = profile_of(row)
    octets = encode(message, profile)
    assert len(octets) % 4 == 0
    assert decode(octets, profile) == (message,)
    assert decode(octets, Profile(release=profile.release, strict=False)) == (message,)


@given(data=st.data())
def test_several_messages_share_a_datagram(data: st.DataObject) -> None:
    current = any_row.filter(lambda row: profile_of(row) == STRICT)
    messages = data.draw(st.lists(current.flatmap(messages_of), min_size=1, max_size=4))
    assert decode(b"".join(encode(message) for message in messages)) == tuple(messages)


@given(st.binary(max_size=200), st.sampled_from([STRICT, LENIENT, LEGACY]))
def test_arbitrary_octets(octets: bytes, profile: Profile) -> None:
    with pytest.raises(DecodeError):
        decode(b"\x00" + octets, profile)
    assert 0 <= offset_of_failure(octets, profile) <= len(octets)


@given(
    st.sampled_from(["MCPT", "MCMC", "MCPC", "MCCP"]),
    st.integers(0, 31),
    st.binary(max_size=80),
    st.booleans(),
)
def test_arbitrary_fields(name: str, subtype: int, body: bytes, strict: bool) -> None:
    octets = AppPacket(subtype, 7, name, body[: len(body) & ~3]).encode()
    profile = Profile(strict=strict, legacy_floor_fields=True, legacy_subchannel_name=True)
    assert 0 <= offset_of_failure(octets, profile) <= len(octets)


@settings(max_examples=30)
@given(data=st.data())
def test_every_truncation_is_refused(data: st.DataObject) -> None:
    row = data.draw(any_row)
    octets = encode(data.draw(messages_of(row)), profile_of(row))
    for size in range(len(octets)):
        with pytest.raises(DecodeError) as caught:
            decode(octets[:size], profile_of(row))
        assert caught.value.offset <= size


@given(data=st.data())
def test_what_decodes_encodes_again(data: st.DataObject) -> None:
    """A changed octet is refused or gives a message that can be sent: decoding makes no unsendable values."""
    row = data.draw(any_row)
    profile = profile_of(row)
    octets = bytearray(encode(data.draw(messages_of(row)), profile))
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        messages = decode(bytes(octets), profile)
    except DecodeError:
        return
    again = b"".join(encode(message, profile) for message in messages)
    assert decode(again, profile) == messages


@given(
    st.lists(
        st.builds(
            AppPacket,
            st.integers(0, 31),
            st.integers(0, 0xFFFFFFFF),
            st.sampled_from(["MCPT", "MCV1", "    "]),
            st.binary(max_size=40).map(lambda data: data + bytes(-len(data) % 4)),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_packets_of_any_name(packets: list[AppPacket]) -> None:
    assert decode_packets(b"".join(packet.encode() for packet in packets)) == tuple(packets)
