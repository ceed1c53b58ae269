"""A rekey goes no faster than the operator allows; how fast it goes is measured; who just came waits for nothing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import affiliation
from mcsec.server.delivering import DeliverySettings
from mcsec.server.pacing import Pacer
from mcsec.server.users import User
from mcsec.store import server as written
from mcsec.store.server import StoredUser
from support.mc_server import GROUP, running
from support.waiting import until


def test_without_a_rate_there_is_always_room() -> None:
    pacer = Pacer(None, 128)
    for _ in range(3):
        assert pacer.room(128, 0.0) == 128
        pacer.spend(128)


def test_a_rate_is_kept_over_time() -> None:
    pacer, sent, now = Pacer(1000.0, 128), 0, 0.0
    while now < 10.0:
        room = pacer.room(128, now)
        pacer.spend(room)
        sent += room
        now += 0.01
    assert 9_900 <= sent <= 10_300
    # What was not used is not saved up for a flood.
    assert pacer.room(10_000, now + 1000.0) <= 256


def test_servers_that_deliver_at_once_share_the_rate() -> None:
    pacer, sent, now = Pacer(1000.0, 128), 0, 0.0
    pacer.servers = 4
    while now < 10.0:
        room = pacer.room(128, now)
        pacer.spend(room)
        sent += room
        now += 0.01
    assert 2_450 <= sent <= 2_650
    assert pacer.rate == 1000.0


def test_a_slow_rate_is_kept_too() -> None:
    pacer, sent, now = Pacer(2.0, 128), 0, 0.0
    while now < 30.0:
        room = pacer.room(128, now)
        pacer.spend(room)
        sent += room
        now += 0.05
    assert 58 <= sent <= 63
    assert pacer.wait == 0.5


def test_the_pace_is_what_answers_take_while_many_are_due() -> None:
    pacer = Pacer(None, 128)
    assert pacer.pace == 0.0
    for step in range(20):
        pacer.answered(50, step * 0.05, busy=True)
    assert pacer.pace == pytest.approx(0.001)
    # A pause between two rekeys does not count.
    pacer.answered(1, 1.0, busy=False)
    pacer.answered(50, 500.0, busy=True)
    for step in range(1, 20):
        pacer.answered(50, 500.0 + step * 0.05, busy=True)
    assert pacer.pace == pytest.approx(0.001)


@pytest.mark.anyio
async def test_a_rekey_is_slow_and_a_late_joiner_is_not(tmp_path: Path) -> None:
    async with Endpoint(lambda request, peer: make_response(request, 200)) as core:
        _, port = await core.listen("TCP", "127.0.0.1")
        sip = EndpointSettings(outbound=Hop("TCP", "127.0.0.1", port))
        async with running(
            tmp_path,
            transports=(),
            sip=sip,
            delivery=DeliverySettings(rate=2.0),
            default_musik=False,
        ) as at:
            now, function = time.time(), at.server.function
            writes = []
            for number in range(60):
                name = f"sip:u{number}@a.example"
                groups = frozenset({GROUP}) if number < 59 else frozenset[str]()
                function.users.put(User(name, name, "urn:uuid:1", now + 600, groups))
                writes += [
                    written.put_user(StoredUser(name, name, "urn:uuid:1", now + 600)),
                    *written.affiliate(name, groups, []),
                ]
            await at.server.write(writes)
            await at.server.make_musik(Scope.of(GROUP))
            late = function.users.get("sip:u59@a.example")
            assert late is not None
            await at.server.carry_out(affiliation.affiliate(function, late, frozenset({GROUP}), now))
            musik = function.engine.keydown.musiks[GROUP]
            await until(lambda: any(musik.audience.holds(late.impu, e.key.key_id) for e in musik.epochs))
            # The others take half a minute.
            assert at.server.events["MuSiKHeld"] < 60
