"""The key log: ours alone, loud, and read back; nothing else is taken for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from mcsec._core import Secret
from mcsec.crypto.srtp import SrtpProfile
from mcsec.errors import DecodeError, LocalError
from mcsec.net.keylog import KeyLog, KeyLogEntry, Protects, parse_key_log

KEY, SALT = bytes(range(16)), bytes(range(100, 112))
ENTRY = KeyLogEntry(
    Protects.SRTCP, bytes.fromhex("6abcdef0"), SrtpProfile.AEAD_AES_128_GCM, Secret(KEY), Secret(SALT)
)
LINE = f"SRTCP 6abcdef0 AEAD_AES_128_GCM {KEY.hex()} {SALT.hex()}"


@st.composite
def entries(draw: st.DrawFn) -> KeyLogEntry:
    profile = draw(st.sampled_from(SrtpProfile))
    key = draw(st.binary(min_size=profile.key_length, max_size=profile.key_length))
    salt = draw(st.binary(min_size=profile.salt_length, max_size=profile.salt_length))
    mki = draw(st.binary(max_size=128))
    return KeyLogEntry(draw(st.sampled_from(Protects)), mki, profile, Secret(key), Secret(salt))


def test_the_format_is_as_documented(tmp_path: Path) -> None:
    with KeyLog(tmp_path / "keys") as log:
        log.write(ENTRY)
        assert log.path.read_text() == f"# mcsec-keylog/1\n{LINE}\n"


@given(st.lists(entries(), max_size=4))
def test_what_is_written_is_read(made: list[KeyLogEntry]) -> None:
    text = "# mcsec-keylog/1\n# a remark\n\n" + "".join(f"{entry.encode()}\n" for entry in made)
    assert parse_key_log(text) == tuple(made)


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with KeyLog(tmp_path / "keys") as log:
            pass
        assert log.path.stat().st_mode & 0o777 == 0o600
        log.path.chmod(0o644)
        with KeyLog(log.path):
            assert log.path.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)


def test_it_is_loud_and_says_no_key(tmp_path: Path) -> None:
    with capture_logs() as logs, KeyLog(tmp_path / "keys") as log:
        log.write(ENTRY)
    assert [(entry["log_level"], entry["path"]) for entry in logs] == [("warning", str(log.path))]
    for secret in (KEY.hex(), SALT.hex()):
        assert secret not in repr(logs)
        assert secret not in repr(ENTRY)


def test_a_log_goes_on(tmp_path: Path) -> None:
    for _ in range(2):
        with KeyLog(tmp_path / "keys") as log:
            log.write(ENTRY)
    assert parse_key_log(log.path.read_text()) == (ENTRY, ENTRY)


def test_nothing_else_is_written_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("somebody's file\n")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "keys")
    for path in (other, link, tmp_path, tmp_path / "missing" / "keys", Path("/dev/null")):
        with pytest.raises(LocalError):
            KeyLog(path)
    assert other.read_text() == "somebody's file\n"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    "line",
    [
        "SRTCP",
        LINE + " more",
        LINE.replace("SRTCP", "RTCP"),
        LINE.replace("GCM", "CCM"),
        LINE[:-2],
        LINE.replace("6abcdef0", "6abcdefg"),
        LINE.replace("6abcdef0", "00" * 129),
        LINE.replace("AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80"),
    ],
)
def test_a_wrong_line_is_refused_without_being_shown(line: str) -> None:
    text = f"# mcsec-keylog/1\n{LINE}\n"
    with pytest.raises(DecodeError) as refused:
        parse_key_log(text + line)
    assert refused.value.offset == len(text)
    assert KEY.hex() not in str(refused.value)
    assert refused.value.__suppress_context__


@given(st.text(max_size=60))
def test_arbitrary_text_is_read_or_refused(text: str) -> None:
    for candidate in (text, f"# mcsec-keylog/1\n{text}"):
        try:
            parse_key_log(candidate)
        except DecodeError as error:
            assert error.offset >= 0
