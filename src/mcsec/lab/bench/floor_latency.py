"""How long the floor takes: clients in this process, an MCX server of each of two domains in its own."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from mcsec.client.calls.service import McCall
from mcsec.client.engine import ClientEngine, Party
from mcsec.client.events import FloorHeard
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient
from mcsec.crypto.kms_keys import KmsMasterKeys, KmsPublicKeys
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.ids import PurposeTag
from mcsec.keys import handover
from mcsec.keys.events import Event
from mcsec.keys.key import Maker, Scope, make
from mcsec.lab.bench.floor_server import AREA, PERIOD, identity
from mcsec.lab.ports import free_port
from mcsec.net.media_ports import make_room
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import DevelopmentCa
from mcsec.wire.rtcp.floor import FloorTaken

#: The domain with the bearer, and the home of the groups.
A, B = "a.example", "b.example"
_PATIENCE = 120.0
_AT_ONCE = 8


@dataclass
class Latency:
    """Seconds, one for each request: until it was granted, until a listener on the bearer had decoded Floor Taken.

    ``cpu``: seconds of processor time of both servers in that time, by domain.
    """

    granted: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)


@dataclass
class _User:
    client: McClient
    taken: float = 0.0

    def has_taken(self) -> bool:
        """Whether it was since the last time somebody set ``taken`` to 0."""
        return self.taken > 0.0

    def heard(self, event: Event) -> None:
        """Notes when Floor Taken was decoded."""
        if isinstance(event, FloorHeard) and isinstance(event.message, FloorTaken):
            self.taken = time.perf_counter()


class _Server:
    """A server's process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ask(self, what: Mapping[str, Any]) -> dict[str, Any]:
        """One line there, one line back.

        :raises LocalError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise LocalError("a server's process ended", code="bench.process")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def latency(members: int, groups: int, requests: int, progress: Callable[[str], None]) -> Latency:
    """``requests`` requests for the floor, in one group after the other, by members of both domains in turn.

    :raises LocalError: somebody did not come so far.
    """
    make_room(2 * members)
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        masters = {name: await asyncio.to_thread(KmsMasterKeys.generate) for name in (A, B)}
        each = members // groups // 2
        users = {
            f"sip:group{number}@{B}": [
                f"sip:g{number}u{one}@{domain}" for one in range(each) for domain in (B, A)
            ]
            for number in range(groups)
        }
        servers, ports = await _servers(stack, directory, masters, users)
        progress(f"{members} clients register")
        known = await _clients(stack, masters, users, ports)
        progress(f"{groups} calls are set up, and go on the bearer")
        calls = await _calls(users, known)
        await _mapped(servers[A], users, calls, groups * each)
        progress(f"{requests} requests for the floor")
        return await _measure(servers, users, known, calls, requests)


async def _servers(
    stack: AsyncExitStack,
    directory: Path,
    masters: Mapping[str, KmsMasterKeys],
    users: Mapping[str, list[str]],
) -> tuple[dict[str, _Server], dict[str, int]]:
    authority = DevelopmentCa(directory)
    authority.create("bench.example")
    for name in (A, B):
        authority.issue(name, [f"mcx.{name}"])
    spk = make(PurposeTag.SPK, scope=Scope.of(f"mcx.{B}"), maker=Maker(A, f"mcx.{A}"), now=time.time())
    handover.write(directory / "spk", spk, f"mcx.{A}")
    tls = {name: free_port() for name in (A, B)}
    bearer = free_port()
    servers, ports = {}, {}
    for name, other in ((A, B), (B, A)):
        servers[name] = server = _Server(await stack.enter_async_context(_process()))
        answer = await server.ask(
            {
                "name": name,
                "other": other,
                "home": B,
                "kms": [secret.reveal().hex() for secret in masters[name].export()],
                "tls": str(directory),
                "port": tls[name],
                "other_port": tls[other],
                "bearer": bearer if name == A else 0,
                "groups": users,
            }
        )
        ports[name] = answer["port"]
    return servers, ports


@asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcsec.lab.bench.floor_server"), stdin=PIPE, stdout=PIPE
    )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _clients(
    stack: AsyncExitStack,
    masters: Mapping[str, KmsMasterKeys],
    users: Mapping[str, list[str]],
    ports: Mapping[str, int],
) -> dict[str, _User]:
    gmk = make(PurposeTag.GMK, scope=Scope.of(*users), maker=Maker(B, f"gms.{B}"), now=time.time())
    trust = Trust(addresses=(ip_network("127.0.0.0/8"),))
    known: dict[str, _User] = {}
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(host: ClientHost, name: str, public: KmsPublicKeys, user: str, group: str) -> None:
        async with turns:
            keys = await asyncio.to_thread(identity, masters[name], public, user, compact=True)
            party = Party(f"mcx.{name}", public.kms_uri, name)
            profile = Profile(
                mc_service_id=user,
                impu=user,
                client_id=f"urn:uuid:00000000-0000-4000-8000-{len(known):012d}",
                registrar=f"sip:{name}",
                psi=f"sip:mcptt@{name}",
                server=party,
            )
            found: list[_User] = []
            client = host.add(
                profile,
                ClientEngine([keys], [public], party),
                partial(Secret, user.encode()),
                radio=RadioSide(AREA),
                on_event=lambda event: found[0].heard(event),
            )
            found.append(_User(client))
            known[user] = found[0]
            await client.log_on([group])
            client.engine.keyring.install(gmk, signer="gms", now=time.time())

    for name in (A, B):
        public = masters[name].public(f"kms.{name}", PERIOD)
        hop = Hop("TCP", "127.0.0.1", ports[name])
        host = await stack.enter_async_context(ClientHost(HostSettings(hop, EndpointSettings(trust=trust))))
        await asyncio.gather(
            *(
                one(host, name, public, user, group)
                for group, members in users.items()
                for user in members
                if user.endswith(f"@{name}")
            )
        )
    return known


async def _calls(users: Mapping[str, list[str]], known: Mapping[str, _User]) -> dict[str, McCall]:
    await asyncio.gather(*(known[members[0]].client.call(group) for group, members in users.items()))
    await _until(
        "calls",
        lambda: all(
            group in known[user].client.calls for group, members in users.items() for user in members
        ),
    )
    return {user: known[user].client.calls[group] for group, members in users.items() for user in members}


async def _mapped(
    server: _Server, users: Mapping[str, list[str]], calls: Mapping[str, McCall], listeners: int
) -> None:
    """Talks until every user of A is served by the bearer."""
    deadline = time.monotonic() + _PATIENCE
    while (await server.ask({}))["switched"] < listeners:
        if time.monotonic() > deadline:
            raise LocalError("the calls did not go on the bearer", code="bench.bearer")
        for members in users.values():
            await _press(calls[members[0]])
            calls[members[0]].release()
        await asyncio.sleep(0.5)


async def _measure(
    servers: Mapping[str, _Server],
    users: Mapping[str, list[str]],
    known: Mapping[str, _User],
    calls: Mapping[str, McCall],
    requests: int,
) -> Latency:
    found = Latency()
    before = {name: (await server.ask({}))["cpu"] for name, server in servers.items()}
    for number, group in zip(range(requests), list(users) * (requests // len(users) + 1), strict=False):
        members = users[group]
        talker = calls[members[number % len(members)]]
        # Members of B and A by turns; the listener is one of A.
        listener = known[members[(number + 2) % len(members) | 1]]
        listener.taken, began = 0.0, time.perf_counter()
        await _press(talker)
        found.granted.append(time.perf_counter() - began)
        await _until("Floor Taken", listener.has_taken)
        found.taken.append(listener.taken - began)
        talker.release()
        await asyncio.sleep(0.03)
    after = {name: (await server.ask({}))["cpu"] for name, server in servers.items()}
    found.cpu = {name: after[name] - before[name] for name in servers}
    return found


async def _press(call: McCall) -> None:
    call.press()
    await call.until(lambda: call.may_talk, 10.0)


async def _until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise LocalError(f"not in time: {what}", code="bench.time")
        await asyncio.sleep(0.001)
