"""Explanations of RTCP APP messages agree with the decoder and account for every octet."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.errors import DecodeError
from mcsec.inspect.annotate import NOT_DECODED, Annotation, Explanation
from mcsec.inspect.explain_rtcp import explain_rtcp, guess_mki_octets
from mcsec.wire.rtcp import LEGACY, STRICT, decode, encode
from support.rtcp import messages_of, profile_of, rows

TAKEN = bytes.fromhex("82cc0007000000074d43505404077369703a6140620000000502000108020009")
TAG = bytes(range(16))
INDEX = bytes.fromhex("80000005")
MUSIK_ID = bytes.fromhex("6badcafe")


def protected(clear: bytes, mki: bytes, index: bytes = INDEX) -> bytes:
    """Looks like a protected packet; the ciphertext is made up."""
    return clear[:8] + bytes(0xFF ^ octet for octet in clear[8:]) + TAG + index + mki


def named(explanation: Explanation, field: str) -> Annotation:
    (found,) = [annotation for annotation in explanation.annotations if annotation.field == field]
    return found


def test_every_octet_has_a_name_a_meaning_and_a_clause() -> None:
    explanation = explain_rtcp(TAKEN)
    assert explanation.error is None
    assert [(a.offset, a.field, a.value) for a in explanation.annotations] == [
        (0, "version, padding, subtype", 0x82),
        (1, "packet type", 204),
        (2, "length", 7),
        (4, "SSRC of the sender", 7),
        (8, "name", ""),
        (12, "field ID", 4),
        (13, "length", 7),
        (14, "MCPTT ID", "sip:a@b"),
        (21, "padding", ""),
        (24, "field ID", 5),
        (25, "length", 2),
        (26, "permission", 1),
        (28, "field ID", 8),
        (29, "length", 2),
        (30, "sequence number", 9),
    ]
    assert all(annotation.clause for annotation in explanation.annotations)
    meanings = {a.offset: (a.meaning, a.clause) for a in explanation.annotations}
    assert meanings[0] == ("version 2, Floor Taken", "TS 24.380 8.2.9")
    assert meanings[8] == ("MCPT, floor control", "TS 24.380 8.2")
    assert meanings[12] == ("Granted Party's Identity", "TS 24.380 8.2.3.6")
    assert meanings[26] == ("the receiver may request the floor", "TS 24.380 8.2.3.7")


@settings(max_examples=60)
@given(data=st.data())
def test_every_message_is_explained(data: st.DataObject) -> None:
    row = data.draw(st.sampled_from(list(rows())))
    octets = encode(data.draw(messages_of(row)), profile_of(row))
    explanation = explain_rtcp(octets, profile=profile_of(row))
    assert explanation.error is None
    assert explanation.octets == octets
    assert all(a.octets and a.field != NOT_DECODED for a in explanation.annotations)
    assert row.name in explanation.annotations[0].meaning


@given(st.binary(max_size=60))
def test_arbitrary_octets_are_explained_as_far_as_they_decode(octets: bytes) -> None:
    for message in (octets, TAKEN[:12] + octets, TAKEN + octets):
        explanation = explain_rtcp(message)
        assert explanation.octets == message
        if guess_mki_octets(message) is None:
            assert (explanation.error is None) == decodes(message)


def decodes(octets: bytes) -> bool:
    try:
        decode(octets)
    except DecodeError:
        return False
    return True


def test_every_truncation_is_explained_up_to_the_broken_octet() -> None:
    whole = explain_rtcp(TAKEN).annotations
    for size in range(len(TAKEN)):
        # Length is put right, so that the fields are what breaks.
        broken = TAKEN[:2] + max(0, size // 4 - 1).to_bytes(2) + TAKEN[4:size] if size >= 4 else TAKEN[:size]
        with pytest.raises(DecodeError) as caught:
            decode(broken)
        explanation = explain_rtcp(broken)
        assert explanation.error is not None
        assert (explanation.error.code, explanation.error.offset) == (caught.value.code, caught.value.offset)
        assert explanation.octets == broken
        told = [a for a in explanation.annotations if a.field != NOT_DECODED]
        assert [(a.offset, a.field) for a in told] == [(a.offset, a.field) for a in whole[: len(told)]]
        assert len(told) >= len([a for a in whole if a.end <= caught.value.offset])


def test_two_messages_in_a_datagram() -> None:
    explanation = explain_rtcp(TAKEN + TAKEN)
    assert [a.offset for a in explanation.annotations if "Floor Taken" in a.meaning] == [0, len(TAKEN)]


def test_unknown_fields_are_told_apart() -> None:
    octets = bytes.fromhex("85cc00050000000 74d435054 08020001 a0 04 01020304 0000".replace(" ", ""))
    explanation = explain_rtcp(octets)
    assert explanation.error is None
    assert "not a field of this message" in [a.meaning for a in explanation.annotations]


def test_the_legacy_profile_explains_too() -> None:
    old = TAKEN.replace(b"\x04\x07sip", b"\x6a\x07sip")
    assert explain_rtcp(old, profile=LEGACY).annotations[5].meaning == "Granted Party's Identity"
    assert explain_rtcp(old, profile=STRICT).annotations[5].meaning == "not a field of this message"


@pytest.mark.parametrize(
    ("mki", "meaning"),
    [
        (MUSIK_ID, "MuSiK-ID 6badcafe"),
        (bytes.fromhex("50000001"), "MSCCK-ID 50000001"),
        (bytes.fromhex("0000000100000002"), "GMK-ID 00000001, GUK-ID 00000002"),
        (bytes.fromhex("f0000001"), "a key ID with an undefined purpose tag"),
        (b"\1\2", "not a key ID of TS 33.180"),
    ],
)
def test_a_protected_packet(mki: bytes, meaning: str) -> None:
    octets = protected(TAKEN, mki)
    explanation = explain_rtcp(octets, mki_octets=len(mki))
    assert explanation.error is None
    assert explanation.octets == octets
    assert [a.field for a in explanation.annotations] == [
        "version, padding, subtype",
        "packet type",
        "length",
        "SSRC of the sender",
        "encrypted",
        "authentication tag",
        "E and SRTCP index",
        "MKI",
    ]
    assert named(explanation, "authentication tag").octets == TAG
    assert named(explanation, "E and SRTCP index").meaning == "encrypted, index 5"
    assert named(explanation, "MKI").meaning == meaning


def test_protection_is_recognised_by_the_size() -> None:
    assert guess_mki_octets(protected(TAKEN, MUSIK_ID)) == 4
    assert guess_mki_octets(protected(TAKEN, bytes(8))) == 8
    assert guess_mki_octets(TAKEN) is None
    assert guess_mki_octets(TAKEN + bytes(24)) is None, "a known name is in clear"
    assert guess_mki_octets(protected(TAKEN, b"12345")) is None
    assert guess_mki_octets(b"") is None
    assert "MKI" in [a.field for a in explain_rtcp(protected(TAKEN, MUSIK_ID)).annotations]


def test_authenticated_only() -> None:
    octets = TAKEN + TAG + bytes.fromhex("00000005") + MUSIK_ID
    explanation = explain_rtcp(octets, mki_octets=4)
    assert explanation.error is None
    assert explanation.octets == octets
    assert named(explanation, "MCPTT ID").value == "sip:a@b"
    assert named(explanation, "E and SRTCP index").meaning == "not encrypted, index 5"


@given(st.binary(max_size=60), st.integers(0, 9))
def test_arbitrary_protected_octets(octets: bytes, mki_octets: int) -> None:
    assert explain_rtcp(octets, mki_octets=mki_octets).octets == octets


def test_a_protected_packet_cut_short() -> None:
    for size in range(32):
        explanation = explain_rtcp(protected(TAKEN, MUSIK_ID)[:size], mki_octets=4)
        assert explanation.error is not None
