"""The MKFC of a group in Release 13 mode, asked of its GMS: taken, replaced, refused, dropped; never silently."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mcsec.errors import Refused
from mcsec.gms.operations import Operations
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyDestroyed, KeyReceived, KeyRevoked
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.server.engine import ServerEngine
from mcsec.server.events import MkfcRefused
from mcsec.server.function import Done
from mcsec.server.mkfcs import Mkfcs, MkfcSource
from mcsec.server.release_13 import Partner
from support.gms import ANN, BOB, DAN, FOREIGN_SERVER, GROUP, HOME, MULTICAST, PARTNER, document, gms_domain

pytestmark = pytest.mark.anyio


class Server:
    """As much of an MCX server as a fetcher needs: an engine, and whoever hears what it tells."""

    def __init__(self, engine: ServerEngine) -> None:
        self.events: list[Event] = []
        self.function = SimpleNamespace(engine=engine, done=Done)

    async def carry_out(self, done: Done) -> None:
        self.events += done.events

    def tell(self, events: list[Event]) -> None:
        self.events += events

    def told(self) -> list[object]:
        """What was told since it was asked last: kinds, and codes of refusals."""
        found = [one.code if isinstance(one, MkfcRefused) else type(one) for one in self.events]
        self.events.clear()
        return list(found)


async def fetcher(domain: Any) -> tuple[Server, Mkfcs]:
    """The server of the partner domain, for the group at home in the other one."""
    now = time.time()
    keys, known = await domain.kms[PARTNER].provision(FOREIGN_SERVER, now)
    publics = {one.kms_uri: one for one in known}
    own = publics[f"kms.{PARTNER}"]
    receiver = Receiver([keys], [own], ReplayCache())
    engine = ServerEngine(PARTNER, Initiator(keys, own), Recipient("", own), receiver)
    server = Server(engine)

    def party() -> Partner:
        return Partner(f"gms.{HOME}", HOME, publics[f"kms.{HOME}"])

    source = MkfcSource((GROUP,), party, lambda: domain.client(FOREIGN_SERVER))
    return server, Mkfcs(server, source, time.time)  # type: ignore[arg-type]  # as much of one as is needed


async def test_what_the_gms_says_is_done(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        server, mkfcs = await fetcher(domain)
        operate = Operations(domain.gms)
        engine = server.function.engine
        await domain.put(document(ANN, BOB, DAN, protection=MULTICAST))
        async with domain.client(FOREIGN_SERVER) as gms:
            # The GMS's operator did not switch the group: no MKFC, and it is said once.
            await mkfcs.fetch(gms, GROUP)
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == ["gms.refused-403"]
            refusal = engine.refusal(GROUP, time.time())
            assert refusal is not None
            assert refusal.code == "policy.no-mkfc"

            await operate.release_13(GROUP, True, time.time())
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [KeyReceived]
            assert engine.refusal(GROUP, time.time()) is None
            assert engine.kinds_held == {PurposeTag.MKFC}
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [], "nothing changed"

            # A member is removed: another key, and that of before is revoked.
            await domain.put(document(ANN, DAN, protection=MULTICAST))
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [KeyReceived, KeyDestroyed]
            (key,) = engine._release_13.keys
            assert key.key_id in {
                row.key.key_id for row in domain.gms.keeper.groups[GROUP].live(key.kind.tag)
            }

            # The document does not ask for one any more: what the server has is revoked.
            await domain.put(document(ANN, DAN))
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [KeyRevoked, KeyDestroyed]
            refusal = engine.refusal(GROUP, time.time())
            assert refusal is not None
            assert refusal.code == "policy.no-sending-key"


async def test_a_gms_that_refuses_takes_the_key_back_and_one_that_is_away_does_not(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        server, mkfcs = await fetcher(domain)
        operate = Operations(domain.gms)
        await domain.put(document(ANN, DAN, protection=MULTICAST))
        await operate.release_13(GROUP, True, time.time())
        async with domain.client(FOREIGN_SERVER) as gms:
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [KeyReceived]
            await operate.release_13(GROUP, False, time.time())
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [KeyDestroyed, "gms.refused-403"]
            await operate.release_13(GROUP, True, time.time())
            await mkfcs.fetch(gms, GROUP)
            assert server.told() == [KeyReceived]
        away = domain.client(FOREIGN_SERVER)
    async with away as gms:
        await mkfcs.fetch(gms, GROUP)
    assert server.told() == ["gms.unreachable"]
    assert server.function.engine.refusal(GROUP, time.time()) is None, "in force while the GMS is away"


async def test_a_gms_whose_kms_nobody_vouches_for_gives_nothing(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        server, mkfcs = await fetcher(domain)

        def unknown() -> Partner:
            raise Refused("no KMS is known", code="kms.unknown")

        mkfcs._source = MkfcSource((GROUP,), unknown, mkfcs._source.connect)
        async with domain.client(FOREIGN_SERVER) as gms:
            await mkfcs.fetch(gms, GROUP)
        assert server.told() == ["kms.unknown"]
