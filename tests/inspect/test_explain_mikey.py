"""``explain`` accounts for every octet of any input, knows every field, and needs no keys."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mcsec.inspect.annotate import NOT_DECODED
from mcsec.inspect.explain_mikey import KIND, explain_mikey
from mcsec.inspect.mikey_fields import FIELDS, PARTS
from mcsec.mikey.cursor import Read
from mcsec.mikey.extensions import TAG_OCTETS
from mcsec.mikey.message import IMessage
from support.imessages import imessages


@given(imessages())
def test_every_octet_of_a_message_is_explained_in_order(message: IMessage) -> None:
    octets = message.encode()
    explanation = explain_mikey(octets)
    assert explanation.kind == KIND
    assert explanation.octets == octets
    assert explanation.error is None
    assert NOT_DECODED not in [annotation.field for annotation in explanation.annotations]
    assert all(annotation.clause for annotation in explanation.annotations)
    json.dumps(explanation.to_dict())
    assert explanation.to_text().startswith(KIND)


@given(imessages())
def test_no_field_that_the_decoder_reads_is_missing_in_the_table(message: IMessage) -> None:
    trace: list[Read] = []
    IMessage.decode(message.encode(), trace)
    assert {(read.scope, read.field) for read in trace} <= set(FIELDS)


@given(st.binary(max_size=200))
@example(b"")
def test_arbitrary_octets_are_explained_up_to_the_error(octets: bytes) -> None:
    explanation = explain_mikey(octets)
    assert explanation.octets == octets
    assert explanation.error is not None
    explanation.to_text()


@given(imessages(), st.data())
def test_broken_messages_are_explained_up_to_the_broken_octet(message: IMessage, data: st.DataObject) -> None:
    octets = bytearray(message.encode())
    octets[data.draw(st.integers(0, len(octets) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(octets[: data.draw(st.integers(0, len(octets)))])
    for broken in (bytes(octets), cut):
        explanation = explain_mikey(broken)
        assert explanation.octets == broken
        explanation.to_text()
        json.dumps(explanation.to_dict())


@pytest.mark.parametrize("cut", [0, 1, 9, 30, 99])
def test_a_cut_message_ends_with_what_was_missed(cut: int) -> None:
    octets = bytes.fromhex(
        "011a05016abcdef000010b00d68f5cd2000000000e10000102030405060708090a0b0c0d0e0f0e0101000f6d63782e6578616d"
        "706c652e6f72670e020100147369703a75736572406578616d706c652e6f72670e0601000f6b6d732e6578616d706c65"
    )
    explanation = explain_mikey(octets[:cut])
    assert explanation.error is not None
    assert explanation.error.offset == min(cut, len(octets))
    assert explanation.error.code == "mikey.malformed"
    for annotation in explanation.annotations[:-1]:
        assert annotation.field != NOT_DECODED


def test_what_the_first_fields_say() -> None:
    explanation = explain_mikey(bytes.fromhex("011a05016abcdef00001" + "0b00d68f5cd200000000"))
    said = {
        annotation.field: (annotation.value, annotation.meaning) for annotation in explanation.annotations
    }
    assert said["HDR CSB ID"] == ("6abcdef0", "MuSiK-ID")
    assert said["HDR V and PRF function"] == (1, "V = 0, PRF-HMAC-SHA-256")
    assert said["T NTP seconds"] == (3599719634, "2014-01-26 10:07:14 UTC")


def test_a_sealed_element_shorter_than_its_tag_is_shown_whole() -> None:
    assert PARTS["ciphertext and tag"](TAG_OCTETS - 1) == []
    assert [length for _, length, _ in PARTS["ciphertext and tag"](TAG_OCTETS + 3)] == [3, TAG_OCTETS]
