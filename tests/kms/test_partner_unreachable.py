"""MuSiK and MSCCK need no partner: they are made, sent and opened while the partner's KMS is gone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcsec.ids import PurposeTag
from mcsec.mikey.build import Initiator, Recipient, build
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache
from mcsec.net.kms.exchange import KmsRefused
from support.kms import ALICE, SERVER, make, serve

pytestmark = pytest.mark.anyio


async def test_with_the_partner_gone(tmp_path: Path) -> None:
    home = await make(tmp_path / "a")
    away = await make(tmp_path / "b", "b.example")
    async with serve(home) as domain, domain.admin() as admin:
        async with serve(away) as partner, partner.admin() as theirs:
            document = (await theirs.get("/v1/certificate")).json()["document"]
        # From here on the partner cannot be reached by anybody.
        await admin.post("/v1/trust", json={"document": document})
        async with domain.client(SERVER) as server, domain.client() as alice:
            maker = Initiator(await server.identity(SERVER), await server.init())
            keys, book = await alice.identity(ALICE), await alice.certificates()
            receiver = Receiver([keys], [book.own()], ReplayCache())
            for tag in (PurposeTag.MUSIK, PurposeTag.MSCCK):
                key = KeyDistribution.fresh(tag)
                now = time.time()
                message = build(key, maker, Recipient(ALICE, book.own()), now)
                sender = Sender(SERVER, home.kms.uri, frozenset({tag}))
                opened = open_message(message, receiver, [sender], now)
                assert opened.distribution.key == key.key
            with pytest.raises(KmsRefused):
                await alice.provision("sip:zoe@b.example")
