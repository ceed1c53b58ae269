"""The demo for tests: in a process of its own as a user runs it, or here, small and with keys from a cache."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcsec.client.engine import Carrier
from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys
from mcsec.crypto.sakke import SakkeReceiver
from mcsec.crypto.srtp import BearerPacket
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import Record
from mcsec.lab import air, demo, domain
from mcsec.lab.adversary import Adversary
from mcsec.lab.claims import DemoReport
from mcsec.lab.watched import WatchedClient
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.server.engine import ServerEngine
from mcsec.server.signalling import Sent
from mcsec.wire.rtcp.subchannel import MapGroupToBearer, MbmsSubchannel
from support.domains import kms
from support.paper_gms import paper_gms
from support.patient_loop import run

MCSEC = Path(sys.executable).parent / "mcsec"

CLAIMS = {
    "broadcast-decoded",
    "media-untouched",
    "outsider-locked-out",
    "adversary-locked-out",
    "tampered-refused",
    "replayed-refused",
    "wrong-domain-refused",
    "release13-without-mkfc-refuses",
    "release13-foreign-mkfc-leaks",
    "own-key-only",
    "bearer-over-mb2",
}


def start(*options: str | Path) -> subprocess.Popen[str]:
    """``mcsec demo --quick`` as its own process."""
    command = [str(MCSEC), "demo", "--quick", *map(str, options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str], timeout: float = 110) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return process.returncode, out, err


def claims_of(document: str) -> dict[str, str]:
    report: dict[str, Any] = json.loads(document)
    return {claim["name"]: claim["result"] for claim in report["claims"]}


class PaperKms:
    """What the story wants of a KMS, without a service: keys are made once for a test run and come at once."""

    class configuration:
        path = staticmethod(Path)

    def __init__(self, domain: str) -> None:
        self.made = kms(f"kms.{domain}")
        self.public = self.made.public
        self.known = [self.public]

    async def provision(self, uri: str, now: float) -> tuple[IdentityKeys, list[KmsPublicKeys]]:
        return self.made.identity(uri, now), list(self.known)

    async def trust(self, partner: PaperKms, now: float) -> None:
        self.known.append(partner.public)

    async def master_keys(self) -> KmsMasterKeys:
        return self.made.master


@asynccontextmanager
async def paper_kms(_directory: Path, domain: str, _now: float) -> AsyncIterator[PaperKms]:
    yield PaperKms(domain)


class PaperBearer:
    """What the story wants of a bearer, without MB2: what is sent is on the air."""

    def __init__(self) -> None:
        self.active = SimpleNamespace(tmgi=Tmgi(0x00A001, "001", "01"), flow=0)
        self.bmsc = SimpleNamespace(counters=Counter())
        self._senders: dict[object, MulticastSender] = {}

    def send(self, packet: BearerPacket, to: tuple[IPv4Address, int]) -> None:
        if to not in self._senders:
            self._senders[to] = MulticastSender(MulticastGroup(*to))
        self._senders[to].send(packet)
        self.bmsc.counters["passed"] += 1

    def close(self) -> None:
        for sender in self._senders.values():
            sender.close()


@asynccontextmanager
async def paper_bearer(*_: object) -> AsyncIterator[PaperBearer]:
    with closing(PaperBearer()) as bearer:
        yield bearer


class PaperSignalling:
    """What the story wants of server and clients, without SIP and store: key messages come at once, reports too."""

    server = None

    def __init__(self, kms: PaperKms, mdsi: str, now: float) -> None:
        keys, public = kms.made.identity(mdsi, now), kms.public
        self.engine = ServerEngine(
            mdsi.removeprefix("mcx."),
            Initiator(keys, public),
            Recipient("", public),
            Receiver([keys], [public], ReplayCache()),
        )

    async def log_on(self, client: WatchedClient, groups: list[str], around: air.Air) -> None:
        now = time.time()
        _, upload = client.make_csk(now)
        self.engine.csk_uploaded(client.uri, upload, now)
        await around.overhear(client, groups[0])

    async def give_keys(self, group: str, listeners: list[WatchedClient], around: air.Air) -> None:
        now = time.time()
        clients = {client.uri: client for client in listeners}
        self.engine.make_musik(Scope.of(group), clients, now)
        self.engine.activate_bearer(around.tmgi, clients, now)
        for download in self.engine.downloads(now):
            mscck = download.key_id.tag is PurposeTag.MSCCK
            clients[download.client].key_message(
                download.message,
                Carrier.ANNOUNCEMENT if mscck else Carrier.KEY_DOWNLOAD,
                now,
                bearer=around.tmgi if mscck else None,
            )
            self.engine.answered(download, now)

    async def map(self, group: str, listeners: list[WatchedClient], around: air.Air) -> list[Sent]:
        now, floor, media = (
            time.time(),
            around.groups[Traffic.MBMS_FLOOR],
            around.groups[Traffic.GROUP_MEDIA],
        )
        for client in listeners:
            self.engine.listens(client.uri, around.tmgi, group, now)
        mapping = MapGroupToBearer(
            ssrc=self.engine.ssrc(Traffic.SUBCHANNEL_CONTROL, around.tmgi),
            group_id=group,
            tmgi=around.tmgi,
            subchannel=MbmsSubchannel(2, 3, media.address, media.port, floor.port),
        )
        return around.send([self.engine.subchannel(around.tmgi, mapping, now)], Traffic.SUBCHANNEL_CONTROL)

    async def unmap(self, group: str, listeners: list[WatchedClient], around: air.Air) -> None:
        for client in listeners:
            around.leave(client.uri)
            await around.overhear(client, demo.RELEASE_13_GROUP)

    async def send(self, produce: Callable[[float], Any]) -> Any:
        return produce(time.time())

    async def records(self) -> list[Record]:
        return self.engine.records


@asynccontextmanager
async def paper_signalling(
    kms: PaperKms, mdsi: str, _groups: object, now: float
) -> AsyncIterator[PaperSignalling]:
    yield PaperSignalling(kms, mdsi, now)


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two listeners instead of four, KMSs, GMS, SIP and BM-SC on paper, and less patience for what never comes."""
    for name in ("a.example", "b.example"):
        kms(f"kms.{name}")  # made before anything is drawn from a seed
    monkeypatch.setattr(demo, "LISTENERS", 2)
    monkeypatch.setattr(air, "SETTLE_SECONDS", 0.5)
    monkeypatch.setattr(domain, "lab_kms", paper_kms)
    monkeypatch.setattr(demo, "lab_gms", paper_gms)
    monkeypatch.setattr(demo, "lab_bearer", paper_bearer)
    monkeypatch.setattr(demo, "sip_signalling", paper_signalling)
    monkeypatch.setattr(Adversary, "_posing_as", _posing_as)


_pose, _posed = Adversary._posing_as, {}


def _posing_as(adversary: Adversary, uid: bytes) -> SakkeReceiver:
    place = (adversary._public.encryption.octets(), uid)
    if place not in _posed:
        _posed[place] = _pose(adversary, uid)
    return _posed[place]


def play(output: Path) -> DemoReport:
    """The demo in this process."""
    return run(demo.run(output, lambda _text: None))


def failed(report: DemoReport) -> set[str]:
    return {claim.name for claim in report.claims if not claim.passed}
