"""A server that is killed and comes back, and connections that break: clients find back, and keep their keys."""

from __future__ import annotations

from contextlib import AsyncExitStack
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mcsec.client.events import Affiliated, ProcedureFailed
from mcsec.client.profile import Authorisation
from mcsec.client.publishing import ServiceRefused
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.events import KeyHeld
from mcsec.keys.key import Scope
from mcsec.keys.lifecycle import KeyState
from mcsec.net.sip.refreshing import RetryTimes
from mcsec.net.sip.registrar import RegistrarSettings
from mcsec.server.announcement import Bearer
from mcsec.server.events import ClientAuthorised
from support.mc_clients import Heard
from support.mc_server import ALICE, GROUP, clients, running
from support.waiting import until

pytestmark = pytest.mark.anyio

SOON = RetryTimes(first=0.1, most=0.2, lost=0.05)


def musiks(heard: Heard) -> list[object]:
    return [key for key in heard.client.engine.keyring.keys if key.key_id.tag is PurposeTag.MUSIK]


@pytest.mark.parametrize("way", list(Authorisation))
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_restarted_server_is_found_again(tmp_path: Path, transport: str, way: Authorisation) -> None:
    async with AsyncExitStack() as rest:
        async with running(tmp_path, transports=(transport,)) as first:
            add = await rest.enter_async_context(clients(first, transport))
            await first.server.make_musik(Scope.of(GROUP))
            alice = add(ALICE, way, retry=SOON)
            await alice.client.log_on([GROUP])
            await until(lambda: len(first.of(KeyHeld)) == 1)
            before = first.server.function.users.get(ALICE)
        held = musiks(alice)
        async with running(tmp_path, transports=(transport,), ports=first.ports) as again:
            assert again.server.function.users.get(ALICE) == before
            if transport == "TCP":
                # The connection is lost, which is noticed: everything is said anew.
                await until(lambda: again.of(ClientAuthorised))
            # A datagram's address is known from before the restart: the user is the same without a word.
            await alice.client.affiliate([])
            await alice.client.affiliate([GROUP])
            # Without a token in it, a REGISTER on a new connection proves nothing; it is sent again with one.
            bare = transport == "TCP" and way is Authorisation.PUBLISH
            assert again.server.requests.refused == ({"server.sender": 1} if bare else {})
            assert musiks(alice) == held
            # What the server knew of its client still carries a key.
            await again.server.make_musik(Scope.of(GROUP))
            await until(lambda: len(musiks(alice)) == 2)
            assert musiks(alice)[:1] == held
            assert not alice.of(ProcedureFailed)
            await alice.client.log_off()
            assert not again.server.function.users.get(ALICE)


async def test_a_refresh_that_is_refused_brings_the_proof(tmp_path: Path) -> None:
    """The address that datagrams come from is another after a while: the server cannot tell who that is."""
    brief = RegistrarSettings(least=1)
    async with running(tmp_path, transports=("UDP",), registrar=brief) as mcx, clients(mcx, "UDP") as add:
        await mcx.server.make_musik(Scope.of(GROUP))
        alice = add(ALICE, expires=2)
        await alice.client.log_on([GROUP])
        await until(lambda: musiks(alice))
        held = musiks(alice)
        csk = mcx.server.function.engine.csks.held[ALICE]
        mcx.server._senders._addresses.clear()
        await until(lambda: len(mcx.of(ClientAuthorised)) == 2)
        assert mcx.server.requests.refused == {"server.sender": 1}
        assert mcx.server.function.engine.csks.held[ALICE] != csk
        await until(lambda: len(alice.of(Affiliated)) == 2)
        assert musiks(alice) == held
        assert not alice.of(ProcedureFailed)


async def test_a_bearer_is_withdrawn_with_more_than_one_key(tmp_path: Path) -> None:
    """A refused write would leave a gap in the records, and then the server would not start any more."""
    async with running(tmp_path) as mcx:
        tmgi = Tmgi(3, "001", "01")
        await mcx.server.announce(Bearer(tmgi, (1,), IPv4Address("239.1.1.1"), 4000))
        await mcx.server.rotate_mscck(str(tmgi))
        await mcx.server.withdraw(tmgi)
    async with running(tmp_path) as again:
        states = [epoch.state for epoch in again.server.function.engine.keydown.msccks[str(tmgi)].epochs]
        assert states == [KeyState.REVOKED] * 2


async def test_who_was_taken_off_a_group_is_not_back_after_a_restart(tmp_path: Path) -> None:
    """On the word of the group's home domain, which says it once."""
    async with running(tmp_path) as mcx:
        await mcx.server.bar(ALICE, GROUP)
    for said in (False, True):
        async with running(tmp_path) as mcx, clients(mcx) as add:
            assert mcx.server.function.may_join(ALICE, GROUP) is said
            alice = add().client
            if said:
                await alice.log_on([GROUP])
            else:
                with pytest.raises(ServiceRefused):
                    await alice.log_on([GROUP])
                assert not mcx.server.function.users.members([GROUP])
                await mcx.server.unbar(ALICE, GROUP)
