"""Who comes late gets the present key and the next one; who was away for long gets all that counts now, and no more."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select

from mcsec._core import Secret
from mcsec.ids import KeyId
from mcsec.keys.key import Scope
from mcsec.mikey.message import IMessage
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import affiliation
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.function import Done
from mcsec.server.subscribers import Subscribers, lines
from mcsec.server.users import User
from mcsec.store import deliveries, server_tables
from mcsec.store import server as written
from mcsec.store.server import StoredUser
from mcsec.wire import mikey_body, multipart
from support.mc_server import ALICE, BOB, GROUP, Running, running
from support.phones import CLIENT_ID, phone
from support.scripted_mcx import DOMAIN
from support.waiting import until

pytestmark = pytest.mark.anyio


class Core:
    """A SIP core: who is ``away`` does not answer."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.brought: list[tuple[str, KeyId]] = []

    def answer(self, request: Request, peer: Peer) -> Response:
        if request.uri in self.away:
            return make_response(request, 480)
        parts = multipart.decode(request.headers.get("Content-Type") or "", request.body)
        part = multipart.first(parts, mikey_body.CONTENT_TYPE)
        assert part is not None
        key_id = KeyId.decode(IMessage.decode(mikey_body.decode(part)).header.csb_id)
        self.brought.append((request.uri, key_id))
        return make_response(request, 200)

    def of(self, user: str) -> list[KeyId]:
        return [key_id for who, key_id in self.brought if who == user]


@asynccontextmanager
async def behind(core: Core, directory: Path) -> AsyncIterator[Running]:
    async with Endpoint(core.answer) as endpoint:
        _, port = await endpoint.listen("TCP", "127.0.0.1")
        async with running(
            directory,
            transports=(),
            sip=EndpointSettings(outbound=Hop("TCP", "127.0.0.1", port)),
            delivery=DeliverySettings(retry=RetryPolicy(0.02, 0.04, 3)),
            default_musik=False,
        ) as at:
            yield at


async def join(at: Running, user: str, *groups: str) -> User:
    now = time.time()
    joined = User(user, user, "urn:uuid:1", now + 600)
    at.server.function.users.put(joined)
    await at.server.write([written.put_user(StoredUser(user, user, "urn:uuid:1", now + 600))])
    await at.server.carry_out(affiliation.affiliate(at.server.function, joined, frozenset(groups), now))
    return joined


async def test_a_late_joiner_gets_the_present_and_the_next_key(tmp_path: Path) -> None:
    core = Core()
    async with behind(core, tmp_path) as at:
        await join(at, ALICE, GROUP)
        await at.server.make_musik(Scope.of(GROUP))
        await until(lambda: core.of(ALICE))
        musik = at.server.function.engine.keydown.musiks[GROUP]
        await until(lambda: musik.sending and musik.audience.holds(ALICE, musik.sending.key_id))
        musik.listen(ALICE, time.time())
        core.away.add(ALICE)
        await at.server.make_musik(Scope.of(GROUP))
        assert musik.sending is not None
        assert musik.pending is not None, "a listener does not have it"
        await join(at, BOB, GROUP)
        await until(lambda: len(core.of(BOB)) == 2)
        assert set(core.of(BOB)) == {musik.sending.key_id, musik.pending.key_id}


async def test_who_was_away_catches_up_at_once(tmp_path: Path) -> None:
    core = Core()
    core.away.add(ALICE)
    async with behind(core, tmp_path) as at:
        await join(at, ALICE, GROUP)
        await join(at, BOB, GROUP)
        for number in range(1, 4):
            await at.server.make_musik(Scope.of(GROUP))
            await until(lambda: at.server.events["DeliveryGivenUp"] == number)  # noqa: B023  # awaited in this turn
        musik = at.server.function.engine.keydown.musiks[GROUP]
        assert len(core.of(BOB)) == 3
        # Days later: the keys of before are destroyed, and the client registers anew.
        happened = at.server.function.engine.poll(time.time() + 3600)
        await at.server.carry_out(at.server.function.done(happened))
        (live,) = [epoch.key.key_id for epoch in musik.epochs]
        core.away.clear()
        await at.server.carry_out(Done([], [deliveries.unpark(ALICE, time.time())]))
        await until(lambda: at.server.events["MuSiKHeld"] == 4)
        assert core.of(ALICE) == [live]
        assert musik.audience.holds(ALICE, live)


async def test_who_registers_again_gets_what_waited_for_a_way_to_them(tmp_path: Path) -> None:
    """A server that was killed finds the user but no flow; the client, whose binding still counts, only registers."""
    async with running(tmp_path, default_musik=False) as at:
        user = StoredUser(ALICE, ALICE, CLIENT_ID, time.time() + 600)
        await at.server.write([written.put_user(user), *written.affiliate(ALICE, [GROUP], [])])
    name, password = "alice@a.example", Secret(b"open sesame")
    file = tmp_path / "digest.users"
    file.write_text("\n".join(lines(name, password, "a.example", [ALICE])))
    file.chmod(0o600)
    known = Subscribers.load(file, "a.example")
    async with running(tmp_path, subscribers=known, default_musik=False) as at, phone(at) as alice:
        await at.server.make_musik(Scope.of(GROUP))
        await until(partial(parked, at))
        assert not at.server.events["MuSiKHeld"]
        again = make_request(
            "REGISTER",
            f"sip:{DOMAIN}",
            from_=ALICE,
            to=ALICE,
            headers=(("Contact", "<sip:alice@127.0.0.1:5060;transport=tcp>"), ("Expires", "600")),
        )
        answer = await alice.endpoint.request(again, alice.hop, credentials=DigestClient(name, password))
        assert answer.status == 200
        await until(lambda: at.server.events["MuSiKHeld"])
        assert await at.server.deliveries() == {"held": 1}


async def parked(at: Running) -> bool:
    waiting = select(server_tables.deliveries.c.id).where(
        server_tables.deliveries.c.due == server_tables.NEVER
    )
    async with at.database.read() as connection:
        return (await connection.execute(waiting)).first() is not None
