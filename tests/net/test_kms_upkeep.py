"""What an entity keeps from its KMS: keys once in a key period, certificates and revoked users all the time."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from mcsec.crypto.kms_keys import IdentityKeys
from mcsec.errors import CheckFailed, PeerError
from mcsec.ids import PurposeTag
from mcsec.mikey.build import Form, Initiator, Recipient, build
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient
from mcsec.net.kms.upkeep import MARGIN, Upkeep
from mcsec.wire.kms.model import Certificate, Role
from support.domains import KMS_URI, NOW, PERIOD, USER, kms
from support.kms import ALICE, BOB, KmsDomain, make, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def domain(tmp_path: Path) -> AsyncIterator[KmsDomain]:
    async with serve(await make(tmp_path / "a")) as running:
        yield running


def connecting(domain: KmsDomain, user: str) -> Callable[[], Awaitable[KmsClient]]:
    async def connect() -> KmsClient:
        return domain.client(user, client_id="", keys=pairs.get(user), keep=keep)

    async def keep(keys: Any) -> None:
        pairs[user] = keys

    pairs: dict[str, Any] = {}
    return connect


@pytest.mark.parametrize("form", [Form(), Form(hide_initiator=True)])
async def test_messages_of_a_revoked_user_are_refused(domain: KmsDomain, form: Form) -> None:
    book = CertificateBook(domain.config.kms.uri)
    alice = Upkeep(connecting(domain, ALICE), book, ALICE, look=60)
    bob = Upkeep(connecting(domain, BOB), CertificateBook(book.kms_uri), BOB, look=60)
    await alice.fetch()
    await bob.fetch()

    def received() -> str | None:
        message = build(
            KeyDistribution.fresh(PurposeTag.PCK),
            Initiator(bob.present(), bob.book.own()),
            Recipient(ALICE, bob.book.own()),
            time.time(),
            form=form,
        )
        receiver = Receiver([alice.present()], book.usable(time.time()), ReplayCache())
        sender = Sender(BOB, book.kms_uri, frozenset({PurposeTag.PCK}))
        try:
            return open_message(message, receiver, [sender], time.time()).initiator
        except PeerError as error:
            return error.code

    assert received() == BOB
    async with domain.admin() as admin:
        await admin.post("/v1/revoke", json={"identity": BOB, "reason": "lost device"})
        assert received() == BOB, "not known yet"
        await alice.fetch()
        assert received() == "mikey.revoked-sender"
        await admin.post("/v1/reinstate", json={"identity": BOB})
        await alice.fetch()
        assert received() == BOB


async def test_keys_are_asked_for_once(domain: KmsDomain) -> None:
    """Every issue is a record for ever: looks at certificates must not make any."""
    upkeep = Upkeep(connecting(domain, ALICE), CertificateBook(domain.config.kms.uri), ALICE, look=60)
    for _ in range(3):
        await upkeep.fetch()
    async with domain.admin() as admin:
        log = (await admin.get("/v1/log", params={"identity": ALICE})).json()
    issues = [(row["act"], row["period"]) for row in log if row["period"] >= 0]
    present = upkeep.present().period_no
    assert issues in ([("issued", present)], [("issued", present), ("issued", present + 1)])


def certificate() -> Certificate:
    known = kms().public
    z, kpak = known.encryption.octets(), known.authentication.octets()
    return Certificate(Role.ROOT, KMS_URI, PERIOD, 0, z, kpak)


class Scripted:
    """A KMS whose clock is ours, and which hands out the next period's keys when it likes."""

    def __init__(self) -> None:
        self.now = NOW
        self.ahead = False
        self.asked: list[str] = []
        self.book = CertificateBook(KMS_URI)

    async def __aenter__(self) -> Scripted:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def connect(self) -> KmsClient:
        return cast("KmsClient", self)

    async def provision(self, uri: str, *, store: object = None) -> list[IdentityKeys]:
        self.asked.append("keys")
        times = (self.now, self.now + PERIOD) if self.ahead else (self.now,)
        return [kms().identity(uri, time) for time in times]

    async def certificates(self) -> None:
        self.asked.append("certificates")
        self.book.update([certificate()])


async def test_from_one_key_period_to_the_next() -> None:
    script = Scripted()
    script.book.update([certificate()])
    upkeep = Upkeep(script.connect, script.book, USER, look=60, now=lambda: script.now)
    with pytest.raises(CheckFailed) as caught:
        upkeep.present()
    assert caught.value.code == "kms.no-keys"
    assert upkeep.due() == NOW
    await upkeep.fetch()
    first = upkeep.present()
    assert script.asked == ["keys", "certificates"]
    assert upkeep.due() == NOW + 60
    await upkeep.fetch()
    assert script.asked == ["keys", "certificates", "certificates"]
    turn = (kms().public.period_at(NOW) + 1) * PERIOD - 2_208_988_800
    script.now = turn - MARGIN + 1
    assert upkeep.due() < script.now
    await upkeep.fetch()
    assert script.asked[-2:] == ["keys", "certificates"]
    assert list(upkeep.held) == [first.period_no], "the KMS did not have them yet"
    script.ahead = True
    await upkeep.fetch()
    assert list(upkeep.held) == [first.period_no, first.period_no + 1]
    assert upkeep.present() is first
    script.now = turn + 1
    assert upkeep.present().period_no == first.period_no + 1
    await upkeep.fetch()
    assert first.period_no in upkeep.held, "messages of the last period are under way"
    assert script.asked[-1:] == ["certificates"]
    script.now = turn + PERIOD + 1
    await upkeep.fetch()
    assert first.period_no not in upkeep.held
