"""Key parameters: content, protection, and what a receiver refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.errors import CheckFailed, DecodeError, InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.mikey.cursor import Cursor
from mcsec.mikey.extensions import ProtectedParameters
from mcsec.mikey.parameters import GROUP_KINDS, Epoch, KeyParameters, protect, unprotect

KEY = Secret(bytes(range(16)))
CSB_ID = KeyId(0x6ABCDEF0)
TIMES = st.none() | st.integers(1, (1 << 40) - 1)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20)
URI = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20)


@st.composite
def parameters(draw: st.DrawFn) -> KeyParameters:
    kind = draw(st.sampled_from(PurposeTag))
    groups = tuple(draw(st.lists(URI, max_size=4))) if kind in GROUP_KINDS else ()
    reserved = draw(st.binary(max_size=4))
    return KeyParameters(
        kind, draw(st.integers(0, 3)), draw(TIMES), draw(TIMES), draw(TEXT), groups, reserved
    )


@given(parameters())
def test_content_round_trip(sent: KeyParameters) -> None:
    assert KeyParameters.decode(sent.encode()) == sent


@given(parameters())
def test_protected_round_trip(sent: KeyParameters) -> None:
    assert unprotect(protect(sent.encode(), KEY, CSB_ID), KEY, CSB_ID) == sent


@given(st.binary(max_size=80))
def test_arbitrary_content_raises_decode_errors_only(octets: bytes) -> None:
    try:
        known = KeyParameters.decode(octets)
    except DecodeError:
        return
    assert KeyParameters.decode(known.encode()) == known


def test_content_of_another_implementation() -> None:
    content = bytes.fromhex("0200000001000000000000000000000000")
    assert KeyParameters.decode(content) == KeyParameters(PurposeTag.CSK)
    assert KeyParameters(PurposeTag.CSK).encode() == content


def test_a_protected_payload_of_another_implementation() -> None:
    # Streamwide's CSK test: key, CSK-ID and extension data.
    data = bytes.fromhex(
        "4300000000010000000000016f7ee262ac4da7f5d06a72de86816abe2ddd5bf0000021bc70f370864c4fa8f7a8b3992acc17d2335538"
        "bea90d6016992b6b982ae86008f0"
    )
    protected = ProtectedParameters.decode(Cursor(data))
    key = Secret(bytes.fromhex("e06e65106183547342d3e8a6ce2540a8"))
    assert unprotect(protected, key, KeyId(0x2DDD5BF0)) == KeyParameters(PurposeTag.CSK)


def test_an_empty_list_of_groups_is_written() -> None:
    assert KeyParameters(PurposeTag.MUSIK).encode().hex() == "06" + "00000001" + "00" * 10 + "0000" + "000100"


def test_groups_have_an_identifier_that_is_ignored_on_receipt() -> None:
    sent = KeyParameters(PurposeTag.GMK, groups=("sip:a@b",))
    content = sent.encode(group_iei=0x25)
    assert content.endswith(b"\x00\x0b\x01\x25\x00\x07sip:a@b")
    assert KeyParameters.decode(content) == sent


@pytest.mark.parametrize(
    ("status", "revoked", "gateway"), [(0, True, False), (1, False, False), (2, True, True), (3, False, True)]
)
def test_status_bits(status: int, revoked: bool, gateway: bool) -> None:
    known = KeyParameters(PurposeTag.MUSIK, status)
    assert (known.revoked, known.shared_with_gateway) == (revoked, gateway)


def test_times_count_from_the_epoch_of_the_profile() -> None:
    sent = KeyParameters(PurposeTag.CSK, activation=1_700_000_000, expiry=1_800_000_000)
    content = sent.encode(Epoch.NTP)
    assert content[5:10] == (1_700_000_000 + 2_208_988_800).to_bytes(5)
    assert KeyParameters.decode(content, Epoch.NTP) == sent
    assert KeyParameters.decode(sent.encode()) == sent


@pytest.mark.parametrize(
    "make",
    [
        lambda: KeyParameters(PurposeTag.CSK, -1),
        lambda: KeyParameters(PurposeTag.CSK, activation=0),
        lambda: KeyParameters(PurposeTag.CSK, expiry=1 << 40),
        lambda: KeyParameters(PurposeTag.CSK, groups=("sip:a@b",)),
        lambda: KeyParameters(PurposeTag.GMK, groups=("",)),
        lambda: KeyParameters(PurposeTag.GMK, groups=("sip:a\n@b",)),
        lambda: KeyParameters(PurposeTag.GMK, groups=("sip:a@b",) * 256),
        lambda: KeyParameters(PurposeTag.GMK, text="two\nlines"),
        lambda: KeyParameters(PurposeTag.GMK, text="x" * 65536).encode(),
        lambda: KeyParameters(PurposeTag.GMK, expiry=(1 << 40) - 1).encode(Epoch.NTP),
    ],
)
def test_values_that_do_not_fit_are_refused_when_made(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidValue):
        make()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "07" + "00000001" + "00" * 12,
        "02" + "00000001" + "00" * 11,
        "02" + "00000001" + "00" * 10 + "0001ff",
        "02" + "00000001" + "00" * 10 + "000107",
        "06" + "00000001" + "00" * 12,
        "06" + "00000001" + "00" * 12 + "0000",
        "06" + "00000001" + "00" * 12 + "0001" + "01",
        "06" + "00000001" + "00" * 12 + "0002" + "0000",
        "06" + "00000001" + "00" * 12 + "0004" + "01" + "000000",
    ],
)
def test_malformed_content(content: str) -> None:
    with pytest.raises(DecodeError):
        KeyParameters.decode(bytes.fromhex(content))
    sealed = protect(bytes.fromhex(content), KEY, CSB_ID)
    with pytest.raises(CheckFailed) as caught:
        unprotect(sealed, KEY, CSB_ID)
    assert caught.value.code == "mikey.parameters"


@given(st.integers(0, 34 + 33), st.integers(1, 255))
def test_any_change_is_noticed_or_touches_what_is_ignored(at: int, change: int) -> None:
    protected = protect(KeyParameters(PurposeTag.CSK).encode(), KEY, CSB_ID)
    octets = bytearray(protected.encode()[3:])
    octets[at] ^= change
    try:
        changed = ProtectedParameters.decode(Cursor(bytes(octets)))
    except (DecodeError, InvalidValue):
        return
    if at == 32:
        assert unprotect(changed, KEY, CSB_ID) == KeyParameters(PurposeTag.CSK)
        return
    with pytest.raises(CheckFailed) as caught:
        unprotect(changed, KEY, CSB_ID)
    assert caught.value.code == "mikey.parameters"


def test_other_keys_ids_and_algorithms_are_refused() -> None:
    protected = protect(KeyParameters(PurposeTag.MUSIK).encode(), KEY, CSB_ID)
    for changed, key, csb_id in (
        (protected, Secret(bytes(16)), CSB_ID),
        (protected, KEY, KeyId(0x6ABCDEF1)),
        (replace(protected, algorithm=2), KEY, CSB_ID),
    ):
        with pytest.raises(CheckFailed):
            unprotect(changed, key, csb_id)


def test_every_message_has_its_own_iv() -> None:
    assert protect(b"", KEY, CSB_ID).iv != protect(b"", KEY, CSB_ID).iv
