"""An MCX server as a process of its own, to be killed: ``python -m support.mcx_process DIRECTORY PORT``.

The KMS's master secrets lie in the directory, so that every process of a test has the same. Prints a line when it is
ready, and one for each event that a test waits for.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from mcsec._core import Secret
from mcsec.crypto.kms_keys import KmsMasterKeys, MasterSecrets
from mcsec.keys.events import Event, KeyHeld
from mcsec.keys.key import Scope
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from support import domains
from support.mc_server import LOOPBACK, may_join, verify
from support.scripted_mcx import DOMAIN, MDSI, PSI

GROUP = "sip:rescue@a.example"


def kms_in(directory: Path) -> domains.Kms:
    """The KMS whose master secrets lie in ``directory``; made when there are none."""
    file = directory / "kms"
    if not file.exists():
        made = KmsMasterKeys.generate().export()
        file.write_text(f"{made.z.reveal().hex()} {made.ksak.reveal().hex()}")
    z, ksak = (Secret(bytes.fromhex(text)) for text in file.read_text().split())
    master = KmsMasterKeys.from_secrets(MasterSecrets(z, ksak))
    return domains.Kms(master, master.public(domains.KMS_URI, domains.PERIOD))


def identity(directory: Path) -> Identity:
    now = time.time()
    found = kms_in(directory)
    material = found.master.extract(found.public.uid_in(MDSI, found.public.period_at(now)))
    keys = domains.IdentityKeys.validate(
        found.public, MDSI, found.public.period_at(now), material.rsk, material.ssk, material.pvt
    )
    receiver = Receiver([keys], [found.public], ReplayCache(not_before=now))
    return Identity(Initiator(keys, found.public), Recipient("", found.public), receiver)


async def main(directory: Path, core: int) -> None:
    """``core``: the port of the SIP core, which is trusted, and over which everything is delivered."""
    settings = ServiceSettings(
        FunctionSettings(DOMAIN, PSI, protection=False, default_musik=False),
        sip=EndpointSettings(outbound=Hop("TCP", "127.0.0.1", core), trust=LOOPBACK),
        delivery=DeliverySettings(in_flight=16, batch=8, lease=60.0, retry=RetryPolicy(0.1, 0.5, 50)),
    )

    def tell(event: Event) -> None:
        if isinstance(event, KeyHeld):
            print("held", event.key_id, event.member, flush=True)

    database = await Database.open(directory / "server.sqlite", Kek(Secret(bytes(32))))
    async with McServer(
        database, identity(directory), settings, verify=verify, may_join=may_join, on_event=tell
    ) as server:
        port = (await server.listen("TCP", "127.0.0.1"))[1]
        if GROUP not in server.function.engine.keydown.musiks:
            await server.make_musik(Scope.of(GROUP))
        print("ready", port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
