"""One MCX server of the floor control benchmark, in a process of its own; told what to be on its standard input."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys, MasterSecrets
from mcsec.crypto.secret import Secret
from mcsec.crypto.srtp import BearerPacket
from mcsec.ids import Tmgi
from mcsec.keys import handover
from mcsec.keys.kinds import Traffic
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.mb2u import Place
from mcsec.net.media_ports import make_room
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import client_context, server_context
from mcsec.net.tokens import Claims
from mcsec.server.announcement import Bearer
from mcsec.server.calls.groups import Group, GroupMember, GroupTable
from mcsec.server.calls.links import Partner
from mcsec.server.calls.policy import CallPolicy
from mcsec.server.calls.service import Calls, CallSettings
from mcsec.server.function import FunctionSettings
from mcsec.server.service import Identity, McServer, ServiceSettings
from mcsec.server.signalling import OnBearer
from mcsec.store.database import Database
from mcsec.store.kek import Kek
from mcsec.wire.rtcp.subchannel import BearerAnnouncement

PERIOD = 2_592_000
AREA = 1
TMGI = Tmgi(0x00B001, "001", "01")
BEARER = "bench"
GENERAL = IPv4Address("239.192.40.1")
#: Seconds between signs of life on the bearer.
_SIGN = 0.5


class LoopAir:
    """A bearer without a BM-SC: multicast on loopback, straight from the server."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._senders: dict[Place, MulticastSender] = {}

    def bearers(self) -> Mapping[str, Tmgi]:
        """The one bearer."""
        return {BEARER: TMGI}

    def place(self, bearer: str) -> Place:
        """Its general purpose subchannel."""
        return GENERAL, self._port

    def send(self, bearer: str, packet: BearerPacket, to: Place) -> None:
        """One datagram."""
        sender = self._senders.get(to)
        if sender is None:
            sender = self._senders[to] = MulticastSender(MulticastGroup(*to))
        sender.send(packet)

    def close(self) -> None:
        """Gives the sockets back."""
        for sender in self._senders.values():
            sender.close()


def identity(
    master: KmsMasterKeys, public: KmsPublicKeys, uri: str, *, compact: bool = False
) -> IdentityKeys:
    """The keys of somebody, validated as by everybody."""
    period = public.period_at(time.time())
    material = master.extract(public.uid_in(uri, period))
    return IdentityKeys.validate(
        public, uri, period, material.rsk, material.ssk, material.pvt, compact=compact
    )


async def believed(token: str, now: float) -> Claims:
    """Tokens are not what is measured: each names its user, and is believed."""
    scopes = frozenset({"3gpp:mc:ptt_service"})
    return Claims(token, "https://id.bench.example", "", (token,), scopes, now + 3600, now)


@asynccontextmanager
async def running(told: Mapping[str, Any], directory: Path) -> AsyncIterator[tuple[McServer, Calls, int]]:
    """The server, and the port for its clients."""
    name, other, tls = told["name"], told["other"], Path(told["tls"])
    mdsi = f"mcx.{name}"
    z, ksak = (Secret(bytes.fromhex(part)) for part in told["kms"])
    master = KmsMasterKeys.from_secrets(MasterSecrets(z, ksak))
    public = master.public(f"kms.{name}", PERIOD)
    keys = identity(master, public, mdsi)
    partner = Partner(
        domain=other,
        mdsi=f"mcx.{other}",
        participating=f"sip:mcptt@{other}",
        controlling=f"sip:mcptt-controlling@{other}",
        hop=Hop("TLS", "127.0.0.1", told["other_port"], f"mcx.{other}"),
        spks=(handover.read((tls / "spk").read_bytes(), mdsi),),
        names=frozenset({f"mcx.{other}"}),
    )
    groups = [
        Group(
            group_id=group,
            home=told["home"],
            members={user: GroupMember(user=user) for user in members},
            hang_time=600.0,
        )
        for group, members in told["groups"].items()
    ]
    async with AsyncExitStack() as stack:
        database = await Database.open(directory / "server.sqlite", Kek(Secret.random(32)))
        stack.push_async_callback(database.close)
        server = await stack.enter_async_context(
            McServer(
                database,
                Identity(
                    Initiator(keys, public), Recipient("", public), Receiver([keys], [public], ReplayCache())
                ),
                ServiceSettings(
                    FunctionSettings(name, f"sip:mcptt@{name}", csk_required=True),
                    sip=EndpointSettings(
                        client_tls=client_context(
                            tls / "ca.pem", certificate=tls / f"{name}.pem", key=tls / f"{name}.key"
                        )
                    ),
                ),
                verify=believed,
                may_join=lambda user, group: group in told["groups"],
            )
        )
        settings = CallSettings(
            f"sip:mcptt-controlling@{name}", policy=CallPolicy(t16=1.0), partners={other: partner}
        )
        calls = await stack.enter_async_context(Calls(server, GroupTable(groups), settings))
        context = server_context(
            tls / f"{name}.pem", tls / f"{name}.key", clients=tls / "ca.pem", required=True
        )
        await server.listen("TLS", "127.0.0.1", told["port"], tls=context)
        _, port = await server.listen("TCP", "127.0.0.1")
        if told["bearer"]:
            air = LoopAir(told["bearer"])
            stack.callback(air.close)
            calls.attach(air)
            await server.announce(Bearer(TMGI, (AREA,), GENERAL, told["bearer"]))
            signs = asyncio.create_task(_signs(server, air))
            stack.callback(signs.cancel)
        yield server, calls, port


async def _signs(server: McServer, air: LoopAir) -> None:
    engine = server.function.engine
    while True:
        await asyncio.sleep(_SIGN)
        if str(TMGI) not in engine.keydown.msccks:
            continue
        sign = BearerAnnouncement(ssrc=engine.ssrc(Traffic.SUBCHANNEL_CONTROL, TMGI), tmgis=(TMGI,))
        sent = await server.send(partial(engine.subchannel, TMGI, sign))
        if isinstance(sent, OnBearer):
            air.send(BEARER, sent.packet, air.place(BEARER))


async def _work() -> None:
    loop = asyncio.get_running_loop()

    async def line() -> str:
        return await loop.run_in_executor(None, sys.stdin.readline)

    def say(what: Mapping[str, Any]) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    make_room(2000)
    told = json.loads(await line())
    with tempfile.TemporaryDirectory() as directory:
        async with running(told, Path(directory)) as (server, calls, port):
            say({"port": port})
            while (await line()).strip():
                used = resource.getrusage(resource.RUSAGE_SELF)
                switched = server.events["ListenerSwitched"]
                say(
                    {
                        "cpu": used.ru_utime + used.ru_stime,
                        "mib": used.ru_maxrss // 1024,
                        "switched": switched,
                        "refused": dict(calls.around.refused),
                    }
                )


if __name__ == "__main__":
    asyncio.run(_work())
