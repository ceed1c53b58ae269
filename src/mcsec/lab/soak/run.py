"""A soak: clients by the thousand register, affiliate, get a key, get the next one, and leave.

The server is in this process, with its store on disk; the clients are in others. After every step both sides say what
they know of everybody, the server from its memory and from its store, and all of it must be the same.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcsec.crypto.kms_keys import KmsMasterKeys
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Scope
from mcsec.keys.rotation import RotationPolicy
from mcsec.lab.soak.users import DOMAIN, GROUP, MDSI, PSI, Account, Kms, peak_octets
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.tokens import Claims
from mcsec.server.delivering import DeliverySettings
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.server_load import load

#: Clients that are being asked at a time: each needs a while to open its key.
_IN_FLIGHT = 64
#: Seconds that a step may take, besides a second for each client.
_PATIENCE = 60.0


@dataclass(slots=True)
class SoakReport:
    """What a soak took. ``seconds`` by step; peaks are of resident memory, in octets."""

    clients: int
    processes: int
    seconds: dict[str, float] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    server_start: int = 0
    server_peak: int = 0
    client_peaks: list[int] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; memory in MiB."""
        return {
            "clients": self.clients,
            "processes": self.processes,
            "seconds": {step: round(taken, 1) for step, taken in self.seconds.items()},
            "keys": self.keys,
            "server_mib": {"start": _mib(self.server_start), "peak": _mib(self.server_peak)},
            "client_process_mib": [_mib(peak) for peak in self.client_peaks],
        }

    def to_text(self) -> str:
        """For people."""
        steps = ", ".join(f"{step} {taken:.1f} s" for step, taken in self.seconds.items())
        clients = " + ".join(f"{_mib(peak)}" for peak in self.client_peaks)
        return "\n".join(
            [
                f"{self.clients} clients in {self.processes} processes: all registered, hold {len(self.keys)} keys,"
                " have left",
                f"time    {steps}",
                f"memory  server {_mib(self.server_start)} MiB at the start, {_mib(self.server_peak)} at most;"
                f" clients {clients} MiB at most",
            ]
        )


def run(clients: int, processes: int, progress: Callable[[str], None]) -> SoakReport:
    """A whole soak.

    :raises LocalError: ``soak.account`` somebody is not accounted for; the text says what differs.
    """
    return asyncio.run(_run(clients, processes, progress))


async def _run(clients: int, processes: int, progress: Callable[[str], None]) -> SoakReport:
    report = SoakReport(clients, processes)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kms = Kms.of(KmsMasterKeys.generate())
        database = await Database.open(directory / "server.sqlite", Kek(Secret.random(32)))
        stack.push_async_callback(database.close)
        server = await stack.enter_async_context(_server(database, kms))
        _, port = await server.listen("TCP", "127.0.0.1")
        crowd = await stack.enter_async_context(_crowd(kms, port, clients, processes))
        soak = _Soak(report, server, database, crowd, progress)
        report.server_start = peak_octets()
        await soak.step("log on", soak.log_on)
        for step in ("first key", "rotation"):
            await soak.step(step, soak.new_key)
        await soak.step("log off", soak.log_off)
        report.server_peak = peak_octets()
    return report


class _Soak:
    """The steps, and the account after each."""

    def __init__(
        self,
        report: SoakReport,
        server: McServer,
        database: Database,
        crowd: _Crowd,
        progress: Callable[[str], None],
    ) -> None:
        self._report, self._server, self._database, self._crowd = report, server, database, crowd
        self._progress = progress

    async def step(self, name: str, work: Callable[[], Any]) -> None:
        """Do it, and note how long it took."""
        self._progress(name)
        began = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE + self._report.clients):
                await work()
        except TimeoutError:
            told = dict(self._server.events)
            raise LocalError(f"{name}: not everybody got that far: {told}", code="soak.stuck") from None
        self._report.seconds[name] = time.perf_counter() - began

    async def log_on(self) -> None:
        """Everybody registers, uploads a CSK, and affiliates."""
        answers = await self._crowd.ask("log_on")
        _same("clients that logged on", sum(answer["logged_on"] for answer in answers), self._report.clients)
        await self._accounted()

    async def new_key(self) -> None:
        """A MuSiK of the group goes to everybody; the second one follows the first."""
        before = self._server.events["MuSiKHeld"]
        await self._server.make_musik(Scope.of(GROUP))
        (*_, epoch) = self._server.function.engine.keydown.musiks[GROUP].epochs
        self._report.keys.append(str(epoch.key.key_id))
        while self._server.events["MuSiKHeld"] < before + self._report.clients:
            for name in ("DeliveryGivenUp", "DeliveryRetried", "MuSiKDeliveryRefused"):
                _same(name, self._server.events[name], 0)
            await asyncio.sleep(0.05)
        await self._accounted()

    async def log_off(self) -> None:
        """Everybody leaves: no key stays with a client, and no user with the server."""
        answers = await self._crowd.ask("log_off")
        _same("keys that stayed with clients", sum(answer["keys"] for answer in answers), 0)
        _same("users", len(self._server.function.users), 0)
        state = await load(self._database)
        _same("users in the store", len(state.users), 0)
        _same("CSKs in the store", len(state.csks), 0)
        _same("requests refused", dict(self._server.requests.refused), {})

    async def _accounted(self) -> None:
        answers = await self._crowd.ask("account")
        theirs = Account()
        for answer in answers:
            theirs.merge(Account(**answer["account"]))
            _same("refusals by clients", answer["refused"], {})
            _same("failures of clients", answer["failures"], {})
        self._report.client_peaks = [answer["peak"] for answer in answers]
        expected = self._report.clients
        _same("users", theirs.users, expected)
        _same("CSKs", theirs.csks, expected)
        _same("holders", theirs.holders, dict.fromkeys(self._report.keys, expected))
        _same("the server's memory", self._of_memory().to_dict(), theirs.to_dict())
        _same("the server's store", (await self._of_store()).to_dict(), theirs.to_dict())
        rows = await self._server.deliveries()
        _same(
            "deliveries by state",
            dict(rows),
            {"held": expected * len(self._report.keys)} if self._report.keys else {},
        )

    def _of_memory(self) -> Account:
        account = Account()
        engine, users = self._server.function.engine, self._server.function.users
        rotation = engine.keydown.musiks.get(GROUP)
        epochs = rotation.epochs if rotation is not None else []
        audience = rotation.audience if rotation is not None else None
        for name in users.everybody():
            user, csk = users.get(name), engine.csks.held.get(name)
            held = [
                one.key.key_id
                for one in epochs
                if audience is not None and audience.holds(name, one.key.key_id)
            ]
            account.add(name, user is not None and GROUP in user.groups, csk.key_id if csk else None, held)
        return account

    async def _of_store(self) -> Account:
        state = await load(self._database)
        account = Account()
        musiks: dict[str, list[KeyId]] = {}
        for key_id, names in state.holders.items():
            if key_id.tag is PurposeTag.MUSIK:
                for name in names:
                    musiks.setdefault(name, []).append(key_id)
        for user in state.users:
            name = user.mc_service_id
            csk = state.csks.get(name)
            affiliated = GROUP in state.groups.get(name, ())
            account.add(name, affiliated, csk.key_id if csk else None, musiks.get(name, ()))
        return account


class _Crowd:
    """The processes with the clients."""

    def __init__(self, processes: Sequence[Process]) -> None:
        self._processes = processes

    async def ask(self, command: str) -> list[dict[str, Any]]:
        """Every process does it; their answers."""
        return await asyncio.gather(*(self._ask(process, command) for process in self._processes))

    async def _ask(self, process: Process, command: str) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{command}\n".encode())
        line = await process.stdout.readline()
        if not line:
            raise LocalError("a process with clients ended", code="soak.process")
        answer: dict[str, Any] = json.loads(line)
        return answer


@asynccontextmanager
async def _crowd(kms: Kms, port: int, clients: int, processes: int) -> AsyncIterator[_Crowd]:
    started: list[Process] = []
    share, first = divmod(clients, processes), 0
    try:
        for number in range(processes):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "mcsec.lab.soak.clients"), stdin=PIPE, stdout=PIPE, limit=1 << 20
            )
            started.append(process)
            count = share[0] + (number < share[1])
            setting = {"kms": kms.encode(), "port": port, "first": first, "count": count}
            first += count
            assert process.stdin is not None
            process.stdin.write(json.dumps(setting).encode() + b"\n")
        yield _Crowd(started)
    finally:
        for process in started:
            if process.stdin is not None:
                process.stdin.close()
        try:
            async with asyncio.timeout(30):
                await asyncio.gather(*(process.wait() for process in started))
        except TimeoutError:
            for process in started:
                if process.returncode is None:
                    process.kill()
            await asyncio.gather(*(process.wait() for process in started))


@asynccontextmanager
async def _server(database: Database, kms: Kms) -> AsyncIterator[McServer]:
    keys = kms.identity(MDSI, time.time(), compact=False)
    identity = Identity(
        Initiator(keys, kms.public), Recipient("", kms.public), Receiver([keys], [kms.public], ReplayCache())
    )

    async def believed(token: str, now: float) -> Claims:
        """Tokens are not what is tried here: each names its user, and is believed."""
        return Claims(
            token,
            "https://id.soak.example",
            "",
            (token,),
            frozenset({"3gpp:mc:ptt_service"}),
            now + 3600,
            now,
        )

    settings = ServiceSettings(
        FunctionSettings(DOMAIN, PSI, csk_required=True, default_musik=False),
        delivery=DeliverySettings(in_flight=_IN_FLIGHT, batch=_IN_FLIGHT),
        # A key that was followed stays until the end, so that everybody can be asked for it.
        rotation=RotationPolicy(switch_after=36_000.0, grace=36_000.0),
    )
    async with McServer(
        database, identity, settings, verify=believed, may_join=lambda name, group: group == GROUP
    ) as server:
        yield server


def _same(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise LocalError(f"{what}: {found}, not {expected}", code="soak.account")


def _mib(octets: int) -> int:
    return round(octets / 2**20)
