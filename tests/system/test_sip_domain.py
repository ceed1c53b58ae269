"""One domain over real protocols: KMS, MCX server, clients as processes; SIP over TLS, the bearer as multicast."""

from __future__ import annotations

import json
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.kms.config import load
from mcsec.kms.observe import Observer
from mcsec.kms.service import running as running_kms
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.server.announcement import Bearer
from mcsec.server.config import Configuration
from mcsec.server.events import RequestRefused
from mcsec.server.running import running
from mcsec.server.service import McServer
from mcsec.server.signalling import OnBearer
from mcsec.wire.rtcp.floor import FloorTaken
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel, UnmapGroupToBearer
from support.client_process import configure, lines_until, start
from support.sip_domain import GROUP, USERS, find_kms, make
from support.waiting import until

pytestmark = pytest.mark.anyio

TMGI = Tmgi(0x00A0F1, "001", "01")
GENERAL = MulticastGroup(IPv4Address("239.192.8.1"), 42101)
FLOOR = MulticastGroup(IPv4Address("239.192.8.2"), 42112)
CHANNEL = MbmsSubchannel(2, 3, IPv4Address("239.192.8.2"), 42110, 42112)


@dataclass
class Domain:
    """Everything that runs in this process."""

    directory: Path
    kms: str
    server: McServer
    port: int
    events: list[Event]

    def refusals(self) -> list[Event]:
        """Requests that the server refused."""
        return [event for event in self.events if isinstance(event, RequestRefused)]

    def configure(self) -> Path:
        return configure(self.directory, self.kms, self.port, *USERS, secure=True)


@asynccontextmanager
async def domain(tmp_path: Path) -> AsyncIterator[Domain]:
    directory = tmp_path / "domain"
    port = await make(directory)
    config = load(directory / "mcsec.toml")
    events: list[Event] = []
    async with running_kms(config, Observer(), time.time()) as kms:
        find_kms(directory, kms.address)
        async with running(Configuration.load(directory / "mcsec.toml"), events.append) as found:
            yield Domain(directory, kms.address, found.server, port, events)


async def stop(process: Process) -> dict[str, object]:
    process.send_signal(signal.SIGINT)
    lines = await lines_until(process, "Summary")
    assert await process.wait() == 0
    assert process.stderr is not None
    assert b"Traceback" not in await process.stderr.read()
    return lines[-1]


async def test_from_registration_to_the_floor(tmp_path: Path) -> None:
    async with domain(tmp_path) as made:
        server = made.server
        process = await start("listen", "--json", "--count", "1", "--config", str(made.configure()))
        heard = await lines_until(process, "Ready")
        assert {"ServiceAuthorised", "Affiliated"} <= {line["event"] for line in heard}
        await server.announce(Bearer(TMGI, (7,), GENERAL.address, GENERAL.port))
        heard += await lines_until(process, "SubchannelJoined")
        assert "MSCCKInstalled" in {line["event"] for line in heard}
        with MulticastSender(GENERAL) as general, MulticastSender(FLOOR) as floor:
            mapping = MapGroupToBearer(
                ssrc=server.function.engine.ssrc(Traffic.SUBCHANNEL_CONTROL, TMGI),
                group_id=GROUP,
                tmgi=TMGI,
                subchannel=CHANNEL,
            )
            sent = await server.send(lambda now: server.function.engine.subchannel(TMGI, mapping, now))
            assert isinstance(sent, OnBearer)
            general.send(sent.packet)
            heard += await lines_until(process, "GroupMapped")
            while sum(line["event"] == "ListeningReported" for line in heard) < 2:
                heard += await lines_until(process, "ListeningReported")
            assert server.events["ListeningReported"] == 2
            taken = FloorTaken(
                ssrc=server.function.engine.ssrc(Traffic.MBMS_FLOOR, TMGI),
                permission=True,
                sequence_number=1,
                granted_party=USERS[1],
            )
            keydown = server.function.engine.keydown
            rotations = (keydown.musiks.get(GROUP) or keydown.musiks[None], keydown.msccks[str(TMGI)])
            # Until the answer to the key download is on the disk, the client is served by unicast as well.
            await until(lambda: all(rotation.audience.broadcast for rotation in rotations))
            (one,) = await server.send(lambda now: server.function.engine.floor(TMGI, GROUP, taken, now))
            assert isinstance(one, OnBearer)
            assert one.key.key_id.tag is PurposeTag.MUSIK
            floor.send(one.packet)
            heard += await lines_until(process, "FloorHeard")
            unmap = UnmapGroupToBearer(ssrc=mapping.ssrc, group_id=GROUP)
            sent = await server.send(lambda now: server.function.engine.subchannel(TMGI, unmap, now))
            assert isinstance(sent, OnBearer)
            general.send(sent.packet)
            heard += await lines_until(process, "GroupUnmapped")
            heard += await lines_until(process, "ListeningReported")
            await server.withdraw(TMGI)
            heard += await lines_until(process, "BearerCancelled")
        summary = await stop(process)
        assert summary["floor_heard"] == 1
        assert summary["messages_refused"] == {}
        assert summary["packets_dropped"] == {}
        assert server.events["ClientLeft"] == 1
        assert made.refusals() == []
        kinds = {line["event"] for line in heard}
        assert {"MuSiKInstalled", "BearerAnnounced", "SubchannelLeft"} <= kinds
        text = json.dumps(heard)
        for key in (one.key, sent.key):
            assert key.secret.reveal().hex() not in text


async def test_registration_by_publish_and_many_in_one_process(tmp_path: Path) -> None:
    async with domain(tmp_path) as made:
        file = made.configure()
        file.write_text(file.read_text().replace("area = 7", 'area = 7\nauthorisation = "publish"'))
        process = await start("register", "--json", "--count", "2", "--config", str(file))
        lines = await lines_until(process, "Summary")
        assert made.refusals() == []
        assert await process.wait() == 0
        assert lines[-1]["logged_on"] == 2
        assert lines[-1]["messages_refused"] == {}
        assert made.server.events["ClientAuthorised"] == 2
        assert made.server.events["ClientLeft"] == 2


async def test_a_user_may_not_join_every_group(tmp_path: Path) -> None:
    async with domain(tmp_path) as made:
        file = made.configure()
        file.write_text(file.read_text().replace(GROUP, "sip:secret@a.example"))
        process = await start("register", "--config", str(file))
        _, err = await process.communicate()
        assert process.returncode == 1
        assert b"affiliation: the server answered 403 116 user is not part of the MCPTT group" in err
