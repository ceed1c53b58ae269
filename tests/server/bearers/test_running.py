"""Bearers as a configuration says: the files of ``mcsec init`` at both ends, in one process."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from mcsec.bmsc.config import load
from mcsec.bmsc.service import Bmsc
from mcsec.lab.init import make_domain
from mcsec.lab.ports import free_port
from mcsec.net.multicast import MulticastGroup, MulticastReceiver
from mcsec.server.bearers.events import PathDown
from mcsec.server.bearers.running import bearing
from mcsec.server.calls.events import BearerUnwanted, BearerWanted
from mcsec.server.config import Configuration
from support.mc_server import GROUP, running
from support.waiting import until

pytestmark = pytest.mark.anyio

CALL = """
[[server.bearers]]
name = "call"
areas = [1]
address = "239.255.77.2"
port = 42021
dynamic = true
qci = 66
"""


async def test_both_kinds_of_bearer_from_one_file(tmp_path: Path) -> None:
    directory = tmp_path / "domain"
    await make_domain(directory, "a.example", time.time())
    file = directory / "mcsec.toml"
    text = file.read_text().replace("5658", str(free_port())).replace("mb2u_port = 9470", "mb2u_port = 0")
    text = text.replace(
        "[[server.mb2", "sign_of_life = 0.1\nredial_first = 0.05\nredial_most = 0.1\n\n[[server.mb2"
    )
    file.write_text(text.replace("# The BM-SC emulator", f"{CALL}\n# The BM-SC emulator"))
    config = load(file)
    happened: list[Any] = []
    heard: list[bytes] = []
    async with (
        running(tmp_path) as mcx,
        bearing(Configuration.load(file), mcx.server, happened.append, time.time) as found,
    ):
        assert found is not None
        # The BM-SC is not there yet, which is told once, however often it is tried.
        await until(lambda: found.gcs_as.node.counters["event.DialFailed"] > 1)
        assert sum(isinstance(event, PathDown) for event in happened) == 1
        (row,) = found.status()["bearers"]
        assert (row["name"], row["state"], row["kind"]) == ("one", "wanted", "pre-established")
        with MulticastReceiver(lambda octets, _source, _group: heard.append(octets)) as ears:
            ears.join(MulticastGroup.of(row["address"], row["port"]))
            async with Bmsc.configured(config, directory) as bmsc:
                await until(lambda: len(heard) > 2)
                assert bmsc.counters["passed"] >= 3, "signs of life go by MB2-U"
                assert {octets[1] for octets in heard} == {204}, "RTCP APP, protected"
                assert [octets for octets in heard if b"MCMC" in octets] == []
                mcx.server.tell([BearerWanted(time.time(), GROUP, 2)])
                await until(lambda: "call" in found.joint.on_air)
                assert (found.row("call")["kind"], found.row("call")["qci"]) == ("dynamic", 66)
                mcx.server.tell([BearerUnwanted(time.time(), GROUP)])
                await found.joint.released("call")
                dropped = await found.drop("one")
                assert (dropped["state"], dropped["sent"]["packets"] >= 3) == ("released", True)
                assert found.status()["bearers"] == []
                await until(lambda: not bmsc.engine.state.holdings)
