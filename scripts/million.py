"""One million key downloads queued, and what the server's memory does while they are tried.

``python scripts/million.py [CLIENTS] [SECONDS]``: a server with so many clients behind a SIP core that answers nothing
but 480, so that every delivery comes back to be tried again. Prints resident memory before the rekey, after its rows
are queued, and while they are delivered; it must not grow with the queue.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.crypto.secret import Secret
from mcsec.keys.key import DEFAULT
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tokens import Claims, TokenRefused
from mcsec.server import memory
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.store.server import StoredUser

DOMAIN = "bench.example"
_AT_ONCE = 20_000


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)


def identity(now: float) -> Identity:
    """Keys of a KMS that exists for this run only."""
    master = KmsMasterKeys.generate()
    public = master.public("kms.bench.example", 2_592_000)
    period = public.period_at(now)
    made = master.extract(public.uid_in("mcx.bench.example", period))
    keys = IdentityKeys.validate(public, "mcx.bench.example", period, made.rsk, made.ssk, made.pvt)
    return Identity(Initiator(keys, public), Recipient("", public), Receiver([keys], [public], ReplayCache()))


async def nobody(token: str, now: float) -> Claims:
    """Nobody is authorised here."""
    raise TokenRefused("nobody is authorised here")


async def measure(clients: int, seconds: float) -> None:
    """Queue, deliver for ``seconds``, print."""
    now = time.time()
    with tempfile.TemporaryDirectory() as name:
        database = await Database.open(Path(name) / "server.sqlite", Kek(Secret.random(32)))
        async with Endpoint(lambda request, peer: make_response(request, 480)) as core:
            _, port = await core.listen("TCP", "127.0.0.1")
            settings = ServiceSettings(
                FunctionSettings(DOMAIN, "sip:mcptt@bench.example", default_musik=False),
                sip=EndpointSettings(outbound=Hop("TCP", "127.0.0.1", port)),
            )
            async with McServer(
                database, identity(now), settings, verify=nobody, may_join=lambda user, group: True
            ) as server:
                for first in range(0, clients, _AT_ONCE):
                    names = [f"sip:u{n}@{DOMAIN}" for n in range(first, min(first + _AT_ONCE, clients))]
                    for user in names:
                        server.function.users.put(User(user, user, "urn:uuid:1", now + 36_000))
                    stored = (StoredUser(user, user, "urn:uuid:1", now + 36_000) for user in names)
                    await server.write([written.put_user(user) for user in stored])
                with memory.settled():
                    print(f"{clients:,} clients:                 {resident():8.0f} MiB", flush=True)
                    await server.make_musik(DEFAULT)
                    queued = (await server.deliveries()).get("wanted", 0)
                    print(f"their downloads queued ({queued:,}): {resident():8.0f} MiB")
                    begun = time.monotonic()
                    while (passed := time.monotonic() - begun) < seconds:
                        await asyncio.sleep(seconds / 6)
                        tried = server.events["DeliveryRetried"]
                        print(
                            f"{passed + seconds / 6:5.0f} s, {tried:,} answers:        {resident():8.0f} MiB",
                            flush=True,
                        )
        await database.close()


if __name__ == "__main__":
    asyncio.run(
        measure(
            int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000,
            float(sys.argv[2]) if len(sys.argv) > 2 else 60.0,
        )
    )
