"""Many MC clients in one process of a soak: ``python -m mcsec.lab.soak.clients``.

Reads JSON lines from standard input and answers each with one: first the setting, then ``log_on``, ``account`` and
``log_off``. Each client is the one that ``mcsec client`` runs, with keys that are small and open slowly.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from ipaddress import ip_network
from typing import Any

from mcsec.client.engine import ClientEngine, Party
from mcsec.client.events import ProcedureFailed
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.profile import Profile
from mcsec.client.service import McClient
from mcsec.crypto.secret import Secret
from mcsec.errors import McsecError
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.lab.soak.users import DOMAIN, GROUP, KMS_URI, MDSI, PSI, Account, Kms, peak_octets, user
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings

#: Clients that share a connection, as behind one gateway.
_TOGETHER = 250
#: Clients that log on at a time.
_AT_ONCE = 32
_SERVER = Party(MDSI, KMS_URI, DOMAIN)


class Clients:
    """The users ``first`` to ``first + count - 1``."""

    def __init__(self, kms: Kms, hop: Hop, first: int, count: int) -> None:
        self._kms, self._hop = kms, hop
        self._numbers = range(first, first + count)
        self._clients: list[McClient] = []
        self._failures: Counter[str] = Counter()
        self._stack = AsyncExitStack()

    async def log_on(self) -> dict[str, Any]:
        """Everybody registers, is authorised, uploads a CSK, and is affiliated to the group."""
        turns = asyncio.Semaphore(_AT_ONCE)
        trust = Trust(addresses=(ip_network("127.0.0.0/8"),))
        for start in self._numbers[::_TOGETHER]:
            host = await self._stack.enter_async_context(
                ClientHost(HostSettings(self._hop, EndpointSettings(trust=trust)))
            )
            numbers = range(start, min(start + _TOGETHER, self._numbers.stop))
            await asyncio.gather(*(self._one(host, number, turns) for number in numbers))
        return {"logged_on": len(self._clients)}

    async def account(self) -> dict[str, Any]:
        """What everybody holds, what was refused, and what went wrong."""
        account = Account()
        refused: Counter[str] = Counter()
        for client in self._clients:
            keys = [key.key_id for key in client.engine.keyring.keys]
            csks = [key_id for key_id in keys if key_id.tag is PurposeTag.CSK]
            musiks = [key_id for key_id in keys if key_id.tag is PurposeTag.MUSIK]
            # The newest CSK is the last; those before it stay readable for a while.
            account.add(client.engine.uri, GROUP in client.groups, csks[-1] if csks else None, musiks)
            refused += client.refused
        return {
            "account": account.to_dict(),
            "refused": dict(refused),
            "failures": dict(self._failures),
            "peak": peak_octets(),
        }

    async def log_off(self) -> dict[str, Any]:
        """Everybody leaves; nobody holds a key any more."""
        await self._stack.aclose()
        return {"keys": sum(len(client.engine.keyring) for client in self._clients)}

    async def _one(self, host: ClientHost, number: int, turns: asyncio.Semaphore) -> None:
        name = user(number)
        async with turns:
            keys = await asyncio.to_thread(self._kms.identity, name, time.time(), compact=True)
            profile = Profile(
                mc_service_id=name,
                impu=name,
                client_id=f"urn:uuid:00000000-0000-4000-8000-{number:012d}",
                registrar=f"sip:{DOMAIN}",
                psi=PSI,
                server=_SERVER,
            )
            client = host.add(
                profile,
                ClientEngine([keys], [self._kms.public], _SERVER),
                partial(Secret, name.encode()),
                on_event=self._heard,
            )
            try:
                await client.log_on([GROUP])
            except McsecError as error:
                self._failures[error.code] += 1
            else:
                self._clients.append(client)

    def _heard(self, event: Event) -> None:
        if isinstance(event, ProcedureFailed):
            self._failures[event.procedure] += 1


async def _work() -> None:
    loop = asyncio.get_running_loop()

    async def line() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    setting = json.loads(await line())
    kms = await asyncio.to_thread(Kms.decode, setting["kms"])
    clients = Clients(kms, Hop("TCP", "127.0.0.1", setting["port"]), setting["first"], setting["count"])
    commands: dict[str, Callable[[], Awaitable[dict[str, Any]]]] = {
        "log_on": clients.log_on,
        "account": clients.account,
        "log_off": clients.log_off,
    }
    while asked := (await line()).strip():
        json.dump(await commands[asked](), sys.stdout)
        sys.stdout.write("\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_work())
