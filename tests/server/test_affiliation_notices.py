"""A client that subscribes hears of its affiliations: at once, at each change, and when an operator ends one."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.client.events import AffiliationsTold
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.subscribing import SubscriptionRefused
from support.mc_clients import Heard
from support.mc_server import ALICE, BOB, GROUP, PSI, clients, running
from support.waiting import until

pytestmark = pytest.mark.anyio


def told(heard: Heard) -> list[tuple[str, ...]]:
    return [event.groups for event in heard.events if isinstance(event, AffiliationsTold)]


async def test_a_client_is_told_of_its_affiliations(tmp_path: Path) -> None:
    async with running(tmp_path) as at, clients(at) as add:
        alice, bob = add(), add(BOB)
        await alice.client.log_on()
        await bob.client.log_on([GROUP])
        await alice.client.watch_affiliations()
        await until(lambda: told(alice) == [()])
        await alice.client.affiliate([GROUP])
        await until(lambda: told(alice) == [(), (GROUP,)])
        *_, last = [event for event in alice.events if isinstance(event, AffiliationsTold)]
        assert last.p_id
        # What happens to others is no business of hers.
        await bob.client.affiliate([])
        await at.server.remove(GROUP, [ALICE])
        await until(lambda: told(alice) == [(), (GROUP,), ()])
        assert not told(bob)
        await alice.client.log_off()


async def test_nobody_hears_of_others(tmp_path: Path) -> None:
    async with running(tmp_path) as at, Endpoint(lambda request, peer: None) as stranger:  # type: ignore[arg-type, return-value]
        hop = Hop("TCP", "127.0.0.1", at.ports["TCP"])

        async def refusal(event: str) -> int:
            request = make_request("SUBSCRIBE", PSI, from_=ALICE, headers=[("Event", event)])
            with pytest.raises(SubscriptionRefused) as caught:
                await stranger.subscribe(request, lambda notification: None, hop)
            return caught.value.response.status

        assert await refusal("presence") == 404
        assert await refusal("dialog") == 489
        assert set(at.server.requests.refused) == {"server.unknown-user", "server.event"}
