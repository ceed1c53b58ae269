"""The server replaces a client's CSK: in force when the client has it, the one of before readable meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcsec.errors import InvalidValue, UnknownKey
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import KeyDestroyed, KeyHeld, KeySwitched
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.mikey.message import IMessage
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import csk_update
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.server import StoredUser
from mcsec.store.server_load import load
from mcsec.wire import mikey_body, multipart
from support.mc_server import ALICE, DOMAIN, GROUP, Running, clients, running
from support.waiting import until

pytestmark = pytest.mark.anyio


def in_force(at: Running) -> Key:
    return at.server.function.engine.csks.held[ALICE]


async def test_a_client_of_ours_gets_another_csk_and_goes_on_under_it(tmp_path: Path) -> None:
    async with running(tmp_path) as at, clients(at) as add:
        alice = add()
        await alice.client.log_on()
        own = in_force(at)
        await at.server.replace_csk(ALICE)
        await until(lambda: in_force(at) != own)
        made = in_force(at)
        assert (made.key_id.tag, made.maker.entity) == (
            PurposeTag.CSK,
            at.server.function.engine.keydown.maker.entity,
        )
        assert made.key_id != own.key_id
        assert [key.key_id for key in at.server.function.engine.csks.readable(ALICE)] == [
            made.key_id,
            own.key_id,
        ]
        await alice.client.affiliate([GROUP])
        assert at.server.function.users.members([GROUP]) == {ALICE}
        await at.server.deliveries()
        state = await load(at.database)
        assert state.csks[ALICE] == made
        assert not [epoch for epoch in state.epochs if epoch.key.key_id.tag is PurposeTag.CSK]


class Core:
    """A SIP core whose clients answer as they are told; ``None``: not at all."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.brought: list[KeyId] = []

    async def answer(self, request: Request, peer: Peer) -> Response:
        parts = multipart.decode(request.headers.get("Content-Type") or "", request.body)
        part = multipart.first(parts, mikey_body.CONTENT_TYPE)
        assert part is not None
        self.brought.append(KeyId.decode(IMessage.decode(mikey_body.decode(part)).header.csb_id))
        await until(lambda: self.status is not None)
        return make_response(request, self.status)


@asynccontextmanager
async def behind(core: Core) -> AsyncIterator[EndpointSettings]:
    async with Endpoint(core.answer) as endpoint:
        _, port = await endpoint.listen("TCP", "127.0.0.1")
        yield EndpointSettings(outbound=Hop("TCP", "127.0.0.1", port))


def serving(path: Path, sip: EndpointSettings, **more: object):  # type: ignore[no-untyped-def]  # as running()
    delivery = DeliverySettings(lease=0.2, retry=RetryPolicy(0.05, 0.1, 3))
    return running(path, transports=(), sip=sip, delivery=delivery, default_musik=False, **more)


async def with_alice(at: Running) -> Key:
    """Alice has uploaded a CSK."""
    function, now = at.server.function, 1e9
    csk = make(PurposeTag.CSK, scope=Scope.of(ALICE), maker=Maker(DOMAIN, ALICE), now=now)
    function.users.put(User(ALICE, ALICE, "urn:uuid:1", 4e9))
    function.engine.csks.put(ALICE, csk, now)
    stored = written.put_user(StoredUser(ALICE, ALICE, "urn:uuid:1", 4e9))
    await at.server.write([stored, function.csk_write(ALICE, csk)])
    return csk


async def test_nothing_is_in_force_before_the_answer_and_a_new_process_goes_on(tmp_path: Path) -> None:
    core = Core()
    async with behind(core) as sip:
        async with serving(tmp_path, sip) as at:
            own = await with_alice(at)
            await at.server.replace_csk(ALICE)
            await at.server.replace_csk(ALICE)
            await until(lambda: core.brought)
            assert in_force(at) == own
            (offered,) = at.server.function.engine.keydown.csks
            lookup = at.server.function.lookup(ALICE)
            assert lookup is not None
            assert {lookup(own.key_id).key_id, lookup(offered).key_id} == {own.key_id, offered}
        async with serving(tmp_path, sip) as at:
            assert in_force(at) == own
            assert list(at.server.function.engine.keydown.csks) == [offered]
            core.status = 200
            await until(lambda: at.of(KeyHeld))
            assert in_force(at).key_id == offered
            # Asked in its turn, so what was answered is written down.
            await at.server.deliveries()
            assert (await load(at.database)).csks[ALICE].key_id == offered
        assert set(core.brought) == {offered}
        async with serving(tmp_path, sip) as at:
            assert in_force(at).key_id == offered


async def test_a_client_that_uses_the_new_csk_holds_it(tmp_path: Path) -> None:
    core = Core()
    async with behind(core) as sip, serving(tmp_path, sip) as at:
        own = await with_alice(at)
        await at.server.replace_csk(ALICE)
        (offered,) = at.server.function.engine.keydown.csks
        function = at.server.function
        lookup = function.lookup(ALICE)
        assert lookup is not None
        lookup(own.key_id)
        assert function.used(lookup, 2e9).events == []
        lookup(offered)
        assert [event.name for event in function.used(lookup, 2e9).events] == [
            "CSKHeld",
            "CSKSwitched",
            "CSKRetired",
        ]
        assert in_force(at).key_id == offered
        # Out of grace, the one of before opens nothing.
        assert [event.name for event in function.engine.poll(2e9 + 61)] == ["CSKDestroyed"]
        after = function.lookup(ALICE)
        assert after is not None
        with pytest.raises(UnknownKey):
            after(own.key_id)
        core.status = 200


async def test_a_client_that_refuses_keeps_its_own(tmp_path: Path) -> None:
    core = Core()
    core.status = 488
    async with behind(core) as sip, serving(tmp_path, sip) as at:
        own = await with_alice(at)
        await at.server.replace_csk(ALICE)
        await until(lambda: at.of(KeyDestroyed))
        assert in_force(at) == own
        assert not at.server.function.engine.keydown.csks
        await at.server.deliveries()
        state = await load(at.database)
        assert (state.csks[ALICE].key_id, state.epochs) == (own.key_id, [])
        with pytest.raises(InvalidValue):
            await at.server.replace_csk("sip:nobody@a.example")


async def test_old_ones_are_replaced_by_themselves(tmp_path: Path) -> None:
    core = Core()
    core.status = 200
    async with behind(core) as sip, serving(tmp_path, sip, csk_lifetime=100.0) as at:
        own = await with_alice(at)
        assert not csk_update.replace_outdated_csks(at.server.function, 1e9 + 99).events
        await at.server.carry_out(csk_update.replace_outdated_csks(at.server.function, 1e9 + 100))
        await until(lambda: at.of(KeySwitched))
        assert in_force(at).key_id != own.key_id
