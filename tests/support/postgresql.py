"""A PostgreSQL of our own, thrown away afterwards: reached by a socket in a directory of its own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

#: The program by which tests ask for PostgreSQL (Debian keeps the server itself off the path).
PROGRAM = "pg_ctlcluster"
_SETTINGS = {
    "listen_addresses": "",
    # Tests kill processes, never the machine: what the system took is as good as on the disk.
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "40",
    "shared_buffers": "16MB",
}


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name) or name


class PostgreSql:
    """A server that is stopped, killed and started as a test wants."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._made = 0
        self.run("initdb", "-D", str(self.data), "-U", "mcsec", "-A", "trust", "--no-sync", "-E", "UTF8")
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
            settings.write(f"unix_socket_directories = '{directory}'\n")
        self.start()

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @cached_property
    def _user(self) -> str | None:
        """PostgreSQL does not run as root."""
        if os.geteuid() != 0:
            return None
        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"

    def run(self, program: str, *arguments: str) -> str:
        if self._user is not None:
            shutil.chown(self.directory, self._user)
        done = subprocess.run(
            [_program(program), *arguments],
            user=self._user,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self) -> None:
        self.run("pg_ctl", "-D", str(self.data), "-w", "-s", "-l", str(self.directory / "log"), "start")

    def stop(self, how: str = "immediate") -> None:
        self.run("pg_ctl", "-D", str(self.data), "-w", "-s", "-m", how, "stop")

    def sql(self, text: str, database: str = "postgres") -> str:
        return self.run(
            "psql",
            "-qAtX",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self.directory),
            "-U",
            "mcsec",
            "-c",
            text,
            database,
        )

    def database(self) -> str:
        """The URI of a fresh database."""
        self._made += 1
        name = f"t{self._made}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql://mcsec@/{name}?host={self.directory}"


@contextlib.contextmanager
def postgresql() -> Iterator[PostgreSql]:
    # Not below pytest's own directory, which only its user may enter; and short, as a socket's path must be.
    directory = Path(tempfile.mkdtemp(prefix="mcsec-pg-"))
    server = None
    try:
        server = PostgreSql(directory)
        yield server
    finally:
        if server is not None:
            with contextlib.suppress(AssertionError):
                server.stop()
        shutil.rmtree(directory, ignore_errors=True)
