"""`mcsec run server` where something is wrong: one line that says what to do, nothing half-written, no key shown."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcsec.errors import McsecError
from mcsec.keys.events import Event
from mcsec.keys.key import Scope
from mcsec.server import upkeep
from mcsec.server.config import Configuration
from mcsec.server.events import ClockJumped
from mcsec.server.running import running
from support.patient_loop import run
from support.sip_domain import GROUP, find_kms, make
from support.waiting import until

MCSEC = Path(sys.executable).with_name("mcsec")
#: Seconds until a process counts as hung.
PATIENCE = 120.0


@contextlib.contextmanager
def started(directory: Path, name: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A functional entity that serves, and its ready line."""
    with (directory / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [MCSEC, "run", name, "--config", directory / "mcsec.toml"], stdout=subprocess.PIPE, stderr=log
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline().decode().strip()
        assert line, (directory / f"{name}.log").read_text()
        yield process, line
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


def refused(directory: Path, *before: str, **environment: str) -> str:
    """What a start says that does not succeed."""
    found = subprocess.run(
        [*before, MCSEC, "run", "server", "--config", directory / "mcsec.toml"],
        capture_output=True,
        env=os.environ | environment,
        timeout=PATIENCE,
        check=False,
    )
    said = found.stderr.decode()
    assert found.returncode == 1, (found.returncode, said, found.stdout)
    assert found.stdout == b""
    assert "Traceback" not in said
    # Whatever was told before, the last line is the reason.
    return said.splitlines()[-1]


# --- what is wrong: it gets a copy of a domain whose server ran before


def lost_wrapping_key(directory: Path) -> str:
    (directory / "kek").unlink()
    return refused(directory)


def wrong_wrapping_key(directory: Path) -> str:
    (directory / "kek").write_bytes(os.urandom(32))
    return refused(directory)


def _from_environment(directory: Path) -> None:
    file = directory / "mcsec.toml"
    file.write_text(file.read_text().replace("[server]\n", '[server]\nkek = "env:STORE_KEY"\n', 1))


def wrong_passphrase(directory: Path) -> str:
    _from_environment(directory)
    return refused(directory, STORE_KEY="correct horse battery staple")


def no_passphrase(directory: Path) -> str:
    _from_environment(directory)
    return refused(directory)


def damaged_page(directory: Path) -> str:
    path = directory / "server.db"
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = file.execute("SELECT rootpage FROM sqlite_master WHERE name = 'mc_key'").fetchone()
        (size,) = file.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as octets:
        octets.seek((page - 1) * size)
        octets.write(b"\xff" * size)
    return refused(directory)


def no_database(directory: Path) -> str:
    (directory / "server.db").write_bytes(os.urandom(8192))
    return refused(directory)


def newer_schema(directory: Path) -> str:
    with contextlib.closing(sqlite3.connect(directory / "server.db")) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
        file.commit()
    said = refused(directory)
    with contextlib.closing(sqlite3.connect(directory / "server.db")) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    return said


def older_schema(directory: Path) -> str:
    with contextlib.closing(sqlite3.connect(directory / "server.db")) as file:
        file.execute("UPDATE alembic_version SET version_num = '0001'")
        file.commit()
    return refused(directory)


def deleted(directory: Path) -> str:
    for file in directory.glob("server.db*"):
        if not file.name.endswith("-seen"):
            file.unlink()
    said = refused(directory)
    assert not (directory / "server.db").exists()
    return said


def full_disk(directory: Path) -> str:
    """It has room for 4 KiB, which is not enough for a store."""
    for file in directory.glob("server.db*"):
        file.unlink()
    return refused(directory, "sh", "-c", 'ulimit -f 8; exec "$@"', "sh")


def full_disk_of_a_store(directory: Path) -> str:
    return refused(directory, "sh", "-c", 'ulimit -f 1; exec "$@"', "sh")


def changed_records(directory: Path) -> str:
    with contextlib.closing(sqlite3.connect(directory / "server.db")) as file:
        file.execute("UPDATE mc_provenance SET line = replace(line, 'a.example', 'b.example')")
        file.commit()
    return refused(directory)


#: What is wrong, the code, and a piece of what is to be done.
WRONG: dict[Callable[[Path], str], tuple[str, str]] = {
    lost_wrapping_key: ("store.kek-missing", "put it back from its copy"),
    wrong_wrapping_key: ("store.kek-wrong", "give the wrapping key that this store was made with"),
    wrong_passphrase: ("store.kek-size", "it must be 32 octets or 64 hex digits"),
    damaged_page: ("store.database", "restore from a backup: `mcsec restore`"),
    newer_schema: ("store.schema-new", "run the newer program"),
    deleted: ("store.gone", "put it back, or restore a backup"),
    full_disk: ("store.database", "look at the disk, and whether it is full"),
}
#: What is shown in other ways too, without a process.
RARE: dict[Callable[[Path], str], tuple[str, str]] = {
    no_passphrase: ("store.kek-missing", "set STORE_KEY to the wrapping key"),
    no_database: ("store.database", "restore from a backup"),
    older_schema: ("store.schema-old", "run `mcsec store upgrade`"),
    full_disk_of_a_store: ("store.database", "look at the disk, and whether it is full"),
    changed_records: ("provenance.altered", "compare it with a copy from elsewhere"),
}


@dataclass(frozen=True)
class Domain:
    """A domain whose server ran once and stopped, in ``directory``; its KMS runs, or not any more."""

    directory: Path
    kek: str

    def copy(self, name: str) -> Path:
        found = self.directory.parent / name
        shutil.copytree(self.directory, found, ignore=shutil.ignore_patterns("*.sock", "kms.db*", "*.log"))
        return found


def _says(domain: Domain, wrong: Callable[[Path], str], code: str, what_to_do: str) -> None:
    said = wrong(domain.copy(wrong.__name__))
    assert said.startswith(f"mcsec: {code}: "), (wrong.__name__, said)
    assert what_to_do in said, (wrong.__name__, said)
    assert domain.kek not in said


def in_use(domain: Domain) -> None:
    said = refused(domain.directory)
    assert "store.in-use" in said
    assert "stop it first" in said


def full_disk_while_it_runs(domain: Domain, process: subprocess.Popen[bytes]) -> None:
    """Orders are refused with what to do; it goes on by itself when there is room."""
    before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
    rotate = [MCSEC, "keys", "rotate", "--config", domain.directory / "mcsec.toml"]
    try:
        found = subprocess.run(rotate, capture_output=True, timeout=PATIENCE, check=False)
        assert found.returncode == 1
        assert b"whether it is full" in found.stderr
        assert process.poll() is None
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
    for _ in range(20):
        found = subprocess.run(rotate, capture_output=True, timeout=PATIENCE, check=False)
        if found.returncode == 0:
            break
    assert found.returncode == 0, found.stderr


def without_its_kms(domain: Domain) -> None:
    """The KMS is gone: a server starts from its store, and one that has nothing in it says what to do."""
    empty = domain.copy("empty")
    for file in empty.glob("server.db*"):
        file.unlink()
    said = refused(empty)
    assert said.startswith("mcsec: kms.unreachable")
    assert "the store has no keys of mcx.a.example" in said
    assert "start the KMS" in said
    again = domain.copy("again")
    with started(again, "server") as (process, line):
        assert line.startswith("sip:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    told = [json.loads(row) for row in (again / "server.log").read_text().splitlines() if row[0] == "{"]
    assert {row["code"] for row in told if row["event"] == "UpkeepFailed"} == {"kms.unreachable"}


def _all(domain: Domain, wrong: dict[Callable[[Path], str], tuple[str, str]]) -> None:
    with ThreadPoolExecutor(2) as both:
        for found in [both.submit(_says, domain, what, *said) for what, said in wrong.items()]:
            found.result()


@contextlib.contextmanager
def _domain(directory: Path) -> Iterator[tuple[Domain, subprocess.Popen[bytes]]]:
    """Its KMS and its server run."""
    run(make(directory))
    domain = Domain(directory, (directory / "kek").read_text().strip())
    assert len(domain.kek) == 64
    with started(directory, "kms") as (_, address):
        find_kms(directory, address)
        with started(directory, "server") as (process, _):
            yield domain, process


@pytest.mark.timeout(600)
def test_a_server_says_what_is_wrong(tmp_path: Path) -> None:
    with _domain(tmp_path / "domain") as (domain, process):
        in_use(domain)
        full_disk_while_it_runs(domain, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        _all(domain, WRONG)
    without_its_kms(domain)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_says_what_else_is_wrong(tmp_path: Path) -> None:
    with _domain(tmp_path / "domain") as (domain, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        _all(domain, RARE)


NOBODY = 65_534


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that any user may enter."""
    found = Path(tempfile.mkdtemp(prefix="mcsec-start-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


def test_a_file_that_cannot_be_written(open_directory: Path) -> None:
    """In this process, for it is not about root: the way from the configuration is the same."""
    directory = open_directory / "domain"
    run(make(directory))

    async def once() -> None:
        async with running(Configuration.load(directory / "mcsec.toml"), lambda event: None):
            raise AssertionError("it cannot start")

    with started(directory, "kms") as (_, address):
        find_kms(directory, address)
        with started(directory, "server"):
            pass
    if os.geteuid() == 0:
        for file in (directory, *directory.rglob("*")):
            os.chown(file, NOBODY, -1)
    for file in directory.glob("server.db*"):
        file.chmod(0o444)
    directory.chmod(0o555)
    try:
        with _as_an_ordinary_user(), pytest.raises(McsecError) as caught:
            run(once())
    finally:
        directory.chmod(0o755)
    said = caught.value.describe()
    assert said.startswith("store.database: ")
    assert "writable for this user" in said


def test_a_clock_that_jumps_by_hours_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, for the clock of the machine is everybody's: the server says so, and makes keys all the same."""
    monkeypatch.setattr(upkeep, "_LOOK", 0.05)
    directory = tmp_path / "domain"
    run(make(directory))
    ahead = 0.0
    told: list[Event] = []

    async def jumps() -> None:
        nonlocal ahead
        config = Configuration.load(directory / "mcsec.toml")
        async with running(config, told.append, lambda: time.time() + ahead) as found:
            musiks = found.server.function.engine.keydown.musiks
            for ahead in (5 * 3600.0, -5 * 3600.0, 0.0):
                before = len(told)
                await until(lambda before=before: any(isinstance(one, ClockJumped) for one in told[before:]))
                await found.server.make_musik(Scope.of(GROUP))
                sending = musiks[GROUP].sending
                assert sending is not None
                assert sending.activation <= time.time() + ahead

    with started(directory, "kms") as (_, address):
        find_kms(directory, address)
        run(jumps())
    seconds = [round(one.seconds / 3600) for one in told if isinstance(one, ClockJumped)]
    assert seconds == [5, -10, 5]


@contextlib.contextmanager
def _as_an_ordinary_user() -> Iterator[None]:
    """Root may write everywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
