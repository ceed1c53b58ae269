"""The operators' API of a server, and what its configuration refuses."""

from __future__ import annotations

import asyncio
import stat
import time
from pathlib import Path

import pytest

from mcsec.cli.admin import AdminError, ask
from mcsec.lab.init import make_domain
from mcsec.net.config import ConfigError
from mcsec.net.https import Endpoint, serving
from mcsec.server.admin import Admin
from mcsec.server.bearers.running import bearing
from mcsec.server.config import Configuration

pytestmark = pytest.mark.anyio


async def configuration(directory: Path, *changes: tuple[str, str]) -> Path:
    await make_domain(directory, "a.example", time.time())
    file = directory / "mcsec.toml"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return file


async def test_a_server_without_mb2_says_so(tmp_path: Path) -> None:
    socket = tmp_path / "server.sock"
    async with serving(Admin(None).app(), Endpoint(file=socket)):
        assert stat.S_IMODE(socket.stat().st_mode) == 0o600
        for method, path in (("GET", "/v1/bearers"), ("GET", "/v1/bearers/x"), ("DELETE", "/v1/bearers/x")):
            with pytest.raises(AdminError) as refused:
                await asyncio.to_thread(ask, socket, "", method, path)
            assert refused.value.code == "bearer.not-configured"


@pytest.mark.parametrize("admin", ["127.0.0.1:9999", "server.sock", "unix:", ""])
async def test_operators_come_by_a_socket_file_only(tmp_path: Path, admin: str) -> None:
    file = await configuration(tmp_path / "a", ('"unix:server.sock"', f'"{admin}"'))
    with pytest.raises(ConfigError, match="admin"):
        _ = Configuration.load(file).admin


AGAIN = """
[[server.bearers]]
name = "%s"
areas = [2]
address = "239.255.77.2"
port = %d
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("areas = [1]\naddress", "areas = []\naddress", "areas"),
        ("areas = [1]\naddress", "areas = [1, 1]\naddress", "stands twice"),
        ("areas = [1]\naddress", "areas = [70000]\naddress", "areas"),
        ('"239.255.77.2"', '"10.0.0.1"', "multicast"),
        ("port = 42001", "port = 0", "port"),
        ("port = 42001", "port = 42001\npriority = 16", "priority"),
        ("port = 42001", "port = 42001\nmax_bit_rate = 10", "guaranteed_bit_rate"),
        ("port = 42001", "port = 42001\ncolour = 1", "colour"),
        ("port = 42001", "port = 42001\n" + AGAIN % ("one", 42005), "name stands twice"),
        ("port = 42001", "port = 42001\n" + AGAIN % ("two", 42001), "address and port stands twice"),
        ('address = "127.0.0.1:5658"', 'address = "127.0.0.1"', "HOST:PORT"),
        ('address = "127.0.0.1:5658"', 'address = "unix:x"', "HOST:PORT"),
        ('restart_counter = "mb2.json"', 'source = "localhost:5000"', "source"),
        ('restart_counter = "mb2.json"', 'host = "bmsc.a.example"', "twice"),
        (
            '[[server.mb2.peers]]\nhost = "bmsc.a.example"\naddress = "127.0.0.1:5658"\n',
            "peers = []\n",
            "peers",
        ),
    ],
)
async def test_bearers_that_cannot_be_are_refused_with_the_place(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    file = await configuration(tmp_path / "a", (old, new))
    with pytest.raises(ConfigError) as refused:
        async with bearing(Configuration.load(file), None, print, time.time):  # type: ignore[arg-type]  # not reached
            pass
    assert says in str(refused.value)


async def test_bearers_need_a_bmsc(tmp_path: Path) -> None:
    file = await configuration(tmp_path / "a")
    text = file.read_text()
    start, end = text.index("[server.mb2]"), text.index("[[server.bearers]]")
    file.write_text(text[:start] + text[end:])
    with pytest.raises(ConfigError, match=r"server\.mb2"):
        async with bearing(Configuration.load(file), None, print, time.time):  # type: ignore[arg-type]  # as above
            pass
