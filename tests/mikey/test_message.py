"""I_MESSAGEs: exact round trips, strict sizes, and one kind of error for everything else."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import NTP_OF_UNIX_EPOCH
from mcsec.mikey.cursor import Cursor, Read
from mcsec.mikey.extensions import ProtectedParameters, SakkeToSelf
from mcsec.mikey.header import GenericCs, Header, SrtpCs
from mcsec.mikey.message import MAX_OCTETS, IMessage, Payload, encode_chain
from mcsec.mikey.numbers import IdRole, MapType
from mcsec.mikey.payloads import SIGN_HEADER, Idr, Rand, Sakke, SecurityPolicy, Sign, Timestamp
from support.imessages import headers, imessages

TEXT = Idr.of_uri


def message(**changes: Any) -> IMessage:
    parts: dict[str, Any] = {
        "T": Timestamp(3599719634),
        "RAND": Rand(bytes(range(16))),
        "IDRi": TEXT(IdRole.INITIATOR, "mcx.example.org"),
        "IDRr": TEXT(IdRole.RESPONDER, "sip:user@example.org"),
        "IDRkmsi": TEXT(IdRole.INITIATOR_KMS, "kms.example.org"),
        "IDRkmsr": TEXT(IdRole.RESPONDER_KMS, "kms.example.org"),
        "SAKKE": Sakke(bytes(273)),
    } | changes
    payloads = tuple(part for part in parts.values() if part is not None)
    return IMessage(Header(bytes.fromhex("6abcdef0")), payloads, Sign(bytes(129)))


def chain(header: Header, payloads: Sequence[Payload]) -> bytes:
    return encode_chain(header, [(payload.type, payload.encode()) for payload in payloads])


def outcome(octets: bytes) -> IMessage | DecodeError:
    try:
        return IMessage.decode(octets)
    except DecodeError as error:
        return error


@given(imessages())
def test_round_trip_is_exact(sent: IMessage) -> None:
    octets = sent.encode()
    assert IMessage.decode(octets) == sent
    assert IMessage.decode(octets).encode() == octets


@given(imessages())
def test_the_trace_accounts_for_every_octet(sent: IMessage) -> None:
    octets = sent.encode()
    trace: list[Read] = []
    IMessage.decode(octets, trace)
    offset = 0
    for read in trace:
        assert read.offset == offset
        assert read.scope
        offset += read.length
    assert offset == len(octets)


@given(st.binary(max_size=300))
def test_arbitrary_octets_raise_decode_errors_only(octets: bytes) -> None:
    with pytest.raises(DecodeError):
        IMessage.decode(octets)


@given(imessages(), st.data())
def test_any_change_decodes_or_raises_a_decode_error(sent: IMessage, data: st.DataObject) -> None:
    octets = bytearray(sent.encode())
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(octets)))
    for mutated in (bytes(octets), bytes(octets[:cut]), bytes(octets[:at]) + bytes(octets[cut:])):
        match outcome(mutated):
            case DecodeError(offset=offset, code=code):
                assert 0 <= offset <= len(mutated)
                assert code in ("mikey.malformed", "mikey.unsupported")
            case IMessage() as decoded:
                assert decoded.encode() == mutated


@given(imessages(), st.integers(0, 600))
def test_a_cut_message_is_refused(sent: IMessage, cut: int) -> None:
    octets = sent.encode()
    with pytest.raises(DecodeError):
        IMessage.decode(octets[: min(cut, len(octets) - 1)])


def test_the_signature_is_last_and_ends_the_message() -> None:
    with pytest.raises(DecodeError, match="too many") as caught:
        IMessage.decode(message().encode() + b"\0")
    assert caught.value.offset == len(message().encode())


@pytest.mark.parametrize("slot", ["T", "RAND", "IDRi", "IDRr", "IDRkmsi", "IDRkmsr", "SAKKE"])
def test_a_mandatory_payload_is_missed(slot: str) -> None:
    with pytest.raises(InvalidValue, match=slot):
        message(**{slot: None})
    payloads = tuple(payload for payload in message().payloads if payload.slot != slot)
    octets = chain(message().header, payloads) + Sign(bytes(129)).encode()
    with pytest.raises(DecodeError, match=slot):
        IMessage.decode(octets)


@pytest.mark.parametrize("number", range(7))
def test_no_payload_stands_twice(number: int) -> None:
    payloads = (*message().payloads, message().payloads[number])
    octets = chain(message().header, payloads) + Sign(bytes(129)).encode()
    with pytest.raises(DecodeError, match="twice") as caught:
        IMessage.decode(octets)
    assert caught.value.offset == len(chain(message().header, message().payloads))


def test_a_uid_takes_the_place_of_the_uri_and_never_stands_beside_it() -> None:
    with pytest.raises(InvalidValue, match="twice"):
        message(UID=Idr(IdRole.INITIATOR_UID, bytes(32)))


@pytest.mark.parametrize("number", [0, 1, 2, 3, 6, 9, 20, 255])
def test_other_payload_types_are_refused(number: int) -> None:
    octets = bytearray(message().encode())
    octets[2] = number
    with pytest.raises(DecodeError):
        IMessage.decode(bytes(octets))


def test_the_size_is_bounded() -> None:
    with pytest.raises(DecodeError, match=f"more than {MAX_OCTETS}"):
        IMessage.decode(bytes(MAX_OCTETS + 1))


@pytest.mark.parametrize(
    ("offset", "value", "code"),
    [(0, 2, "mikey.unsupported"), (1, 1, "mikey.unsupported"), (9, 3, "mikey.malformed")],
)
def test_headers_of_other_messages(offset: int, value: int, code: str) -> None:
    octets = bytearray(message().encode())
    octets[offset] = value
    with pytest.raises(DecodeError) as caught:
        IMessage.decode(bytes(octets))
    assert (caught.value.offset, caught.value.code) == (offset, code)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"sip:a\nb", b"sip:a\x1b[2J", b"x" * 1025],
    ids=["", "utf", "nl", "esc", "long"],
)
def test_identities_are_printable_text_of_sane_size(data: bytes) -> None:
    with pytest.raises(InvalidValue):
        Idr(IdRole.INITIATOR, data)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_uids_have_32_octets(size: int) -> None:
    with pytest.raises(InvalidValue):
        Idr(IdRole.RESPONDER_UID, bytes(size))


@pytest.mark.parametrize("size", [0, 15, 17])
def test_rand_has_16_octets(size: int) -> None:
    with pytest.raises(InvalidValue):
        Rand(bytes(size))


@pytest.mark.parametrize("size", [272, 274])
def test_an_encapsulated_key_has_273_octets(size: int) -> None:
    with pytest.raises(InvalidValue):
        Sakke(bytes(size))


@pytest.mark.parametrize("size", [32, 128, 130])
def test_an_eccsi_signature_has_129_octets(size: int) -> None:
    with pytest.raises(InvalidValue):
        Sign(bytes(size))


def test_the_signature_header_is_fixed() -> None:
    assert bytes.fromhex("2081") == SIGN_HEADER == Sign(bytes(129)).encode()[:2]


@pytest.mark.parametrize(
    ("map_type", "sessions"),
    [(MapType.EMPTY, (GenericCs(7, b""),)), (MapType.GENERIC_ID, ())],
)
def test_a_map_type_fits_its_sessions(map_type: MapType, sessions: tuple[GenericCs, ...]) -> None:
    with pytest.raises(InvalidValue):
        Header(bytes(4), map_type, sessions)


@given(headers, st.integers(0, 255))
def test_headers_alone(header: Header, successor: int) -> None:
    assert Header.decode(Cursor(header.encode(successor))) == (successor, header)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Header(bytes(5)),
        lambda: Header(bytes(4), prf=128),
        lambda: GenericCs(256, b""),
        lambda: GenericCs(7, bytes(256)),
        lambda: SrtpCs(0, 1 << 32, 0),
        lambda: Timestamp(-1),
        lambda: Timestamp(0, 1 << 32),
        lambda: SecurityPolicy(((0, b"\6"), (0, b"\6"))),
        lambda: SecurityPolicy(((256, b""),)),
        lambda: SecurityPolicy((), 256),
        lambda: Sakke(b"", 2, 256),
        lambda: SakkeToSelf(Sakke(bytes(273)), 256),
        lambda: ProtectedParameters(bytes(12), bytes(4), bytes(33)),
        lambda: ProtectedParameters(bytes(16), bytes(4), bytes(15)),
        lambda: ProtectedParameters(bytes(16), bytes(4), bytes(33), message_type=0x03),
        lambda: ProtectedParameters(bytes(16), bytes(4), bytes(33), message_type=0x41),
        lambda: ProtectedParameters(bytes(16), bytes(4), bytes(33), payload_id=-1),
    ],
)
def test_values_that_do_not_fit_are_refused_when_made(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidValue):
        make()


@given(st.integers((1 << 31) - NTP_OF_UNIX_EPOCH, (3 << 31) - NTP_OF_UNIX_EPOCH - 1))
def test_timestamps_keep_whole_seconds_from_1968_to_2104(unix: int) -> None:
    assert Timestamp.from_unix(unix).unix == unix


def test_timestamps_cross_the_era_of_2036() -> None:
    last = Timestamp(0xFFFFFFFF)
    first = Timestamp(0)
    assert first.unix - last.unix == 1
    assert Timestamp.from_unix(first.unix) == first


def test_timestamps_keep_fractions() -> None:
    assert Timestamp.from_unix(1.5) == Timestamp(2208988801, 1 << 31)


def test_messages_are_values() -> None:
    assert message() == message()
    assert dataclasses.replace(message(), sign=Sign(b"\1" * 129)) != message()
