"""A key server for measuring: users with CSKs, a SIP core that answers without opening anything, and SAKKE alone."""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.crypto.secret import Secret
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyHeld
from mcsec.keys.key import Maker, Scope, make
from mcsec.lab.bench.timing import per_call
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tokens import Claims, TokenRefused
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.server import StoredUser

DOMAIN = "bench.example"
GROUP = "sip:group@bench.example"
PERIOD = 2_592_000
_BATCH = 64
_ROUNDS = 20
_AT_ONCE = 10_000


def identity(now: float) -> Identity:
    """The server's keys, of a KMS that is made for this run."""
    master = KmsMasterKeys.generate()
    public = master.public("kms.bench.example", PERIOD)
    period = public.period_at(now)
    material = master.extract(public.uid_in("mcx.bench.example", period))
    keys = IdentityKeys.validate(
        public, "mcx.bench.example", period, material.rsk, material.ssk, material.pvt
    )
    receiver = Receiver([keys], [public], ReplayCache())
    return Identity(Initiator(keys, public), Recipient("", public), receiver)


def alone(found: Identity) -> tuple[float, float]:
    """Seconds of one SAKKE encapsulation alone, in batches: on the wall, and of processor time."""
    batch = [secrets.token_bytes(32) for _ in range(_BATCH)]
    ssv = Secret.random(16)

    def encapsulate() -> object:
        return found.clients.kms.encryption.encapsulate_many(batch, ssv, threads=1)

    wall = per_call(encapsulate, 5) / _BATCH
    worked = time.process_time()
    for _ in range(_ROUNDS):
        encapsulate()
    return wall, (time.process_time() - worked) / (_ROUNDS * _BATCH)


class Held:
    """Counts who holds the key."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Event()

    def tell(self, event: Event) -> None:
        """An event of the server."""
        if isinstance(event, KeyHeld):
            self._count += 1
            self._changed.set()

    async def until(self, count: int) -> None:
        """Wait until so many hold a key."""
        while self._count < count:
            self._changed.clear()
            await self._changed.wait()

    @property
    def count(self) -> int:
        """How many times a client said that it holds a key."""
        return self._count


@asynccontextmanager
async def serving(
    where: Path | Address, found: Identity, hop: Hop, kek: Kek | None = None
) -> AsyncIterator[tuple[McServer, Held]]:
    """A server on a store, behind the SIP core at ``hop``, and a count of who holds keys."""

    async def nobody(token: str, now: float) -> Claims:
        raise TokenRefused("nobody is authorised here")

    held = Held()
    database = await Database.open(where, kek or Kek(Secret.random(32)))
    settings = ServiceSettings(
        FunctionSettings(DOMAIN, "sip:mcptt@bench.example", default_musik=False),
        sip=EndpointSettings(outbound=hop),
    )
    try:
        async with McServer(
            database,
            found,
            settings,
            verify=nobody,
            may_join=lambda user, group: True,
            on_event=held.tell,
        ) as server:
            yield server, held
    finally:
        await database.close()


async def authorise(server: McServer, count: int, members: int, now: float) -> None:
    """``count`` users with a CSK each; the first ``members`` are affiliated to the group."""
    function = server.function
    for first in range(0, count, _AT_ONCE):
        writes = []
        for number in range(first, min(first + _AT_ONCE, count)):
            name = f"sip:u{number}@{DOMAIN}"
            groups = frozenset({GROUP}) if number < members else frozenset[str]()
            csk = make(PurposeTag.CSK, scope=Scope.of(name), maker=Maker(DOMAIN, name), now=now)
            function.users.put(User(name, name, "urn:uuid:1", now + 36_000, groups))
            function.engine.csks.put(name, csk, now)
            writes += [
                written.put_user(StoredUser(name, name, "urn:uuid:1", now + 36_000)),
                *written.affiliate(name, groups, []),
                function.csk_write(name, csk),
            ]
        await server.write(writes)


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process and its threads on one core; the peer, which is started inside, takes the others."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


@contextmanager
def peer(transport: str, *files: Path) -> Iterator[int]:
    """An answering process; its port."""
    command = [sys.executable, "-m", "mcsec.lab.bench.sip_peer", transport]
    if transport == "TLS":
        command += map(str, files)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if hasattr(os, "sched_setaffinity"):
            others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
            if others:
                os.sched_setaffinity(process.pid, others)
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
