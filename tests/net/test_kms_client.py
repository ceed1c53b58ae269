"""The KMS client against a real KMS over TLS: provisioning, rotation, retries, and what it refuses to store."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed, Refused
from mcsec.net.kms.client import KmsClient, KmsClientSettings, KmsUnreachable
from mcsec.net.kms.exchange import KmsRefused
from mcsec.net.tls import client_context
from mcsec.wire.kms.protect import ProtectionKeys
from support.kms import ALICE, BOB, SERVER, KmsDomain, make, no_sleep, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def domain(tmp_path: Path) -> AsyncIterator[KmsDomain]:
    config = await make(tmp_path / "a")
    async with serve(config) as running:
        yield running


async def test_a_user_gets_its_keys(domain: KmsDomain) -> None:
    kept: list[ProtectionKeys] = []

    async def keep(keys: ProtectionKeys) -> None:
        kept.append(keys)

    async with domain.client(keep=keep) as client:
        public = await client.init()
        assert public.kms_uri == "kms.a.example"
        keys = await client.identity(ALICE)
        assert keys.uri == ALICE
        assert keys.period_no == public.period_at(time.time())
        assert keys.uid == public.uid_in(ALICE, keys.period_no)
        public.authentication.verify(keys.uid, b"hello", keys.signer.sign(b"hello"))
        before = domain.kms.ledger.head.length
        assert await client.identity(ALICE) is keys
        assert domain.kms.ledger.head.length == before, "kept across calls"
    assert [pair.integrity_name for pair in kept] == [f"ink.1.{ALICE}"]


async def test_keys_stay_the_same_within_a_period(domain: KmsDomain) -> None:
    messages = []
    for client_id in ("phone", "tablet"):
        async with domain.client(client_id=client_id) as client:
            keys = await client.identity(ALICE)
            messages.append(keys.signer.sign(b"")[64:])
    assert messages[0] == messages[1], "the same PVT, so the same SSK"


async def test_the_next_period_ahead(tmp_path: Path) -> None:
    config = await make(tmp_path / "a", provision_ahead="2592000")
    async with serve(config) as domain, domain.client() as client:
        found = await client.provision()
        assert [keys.period_no for keys in found] == [found[0].period_no, found[0].period_no + 1]
        due = await client.renewal_due(3600)
        assert due > time.time() - 3600


async def test_a_time_in_the_next_period(domain: KmsDomain) -> None:
    async with domain.client() as client:
        public = await client.init()
        (keys,) = await client.provision(ALICE, time.time() + public.period)
        assert keys.period_no == public.period_at(time.time()) + 1
        for far in (2, 1000):
            with pytest.raises(KmsRefused) as caught:
                await client.provision(ALICE, time.time() + far * public.period)
            assert caught.value.status == 404
        with pytest.raises(KmsRefused):
            await client.provision(ALICE, time.time() - public.period)


async def test_nobody_elses_keys(domain: KmsDomain) -> None:
    async with domain.client() as client:
        await client.init()
        for other in (BOB, SERVER, "sip:nobody@a.example", "sip:alice@b.example"):
            with pytest.raises(KmsRefused) as caught:
                await client.provision(other)
            assert caught.value.status == 403


async def test_a_server_gets_the_identities_configured_for_it(domain: KmsDomain) -> None:
    async with domain.client(SERVER) as client:
        assert {keys.uri for keys in await client.provision()} == {SERVER}
    # The same identity in the claims of another subject gives nothing.
    token = domain.source("sip:mallory@a.example", service_ids=[SERVER])
    async with domain.client(SERVER, token=token) as client:
        with pytest.raises(KmsRefused):
            await client.init()


async def test_transport_keys_rotate_and_the_old_ones_die(domain: KmsDomain) -> None:
    kept: list[ProtectionKeys] = []

    async def keep(keys: ProtectionKeys) -> None:
        kept.append(keys)

    async with domain.client(keep=keep) as client, domain.admin() as admin:
        await client.identity(ALICE)
        answer = await admin.post("/v1/rotate-trk", json={})
        assert answer.json() == {"to_be_replaced": 1}
        await client.provision(ALICE)
        assert [pair.number for pair in kept] == [1, 2]
        await client.provision(ALICE)
    async with domain.client(keys=kept[0]) as stale:
        with pytest.raises(KmsRefused):
            await stale.provision(ALICE)
    async with domain.client(keys=kept[1]) as client:
        await client.provision(ALICE)


async def test_a_lost_answer_with_new_keys_comes_again(domain: KmsDomain) -> None:
    kept: list[ProtectionKeys] = []

    async def keep(keys: ProtectionKeys) -> None:
        if kept:
            raise CheckFailed("lost on the way")
        kept.append(keys)

    async with domain.client(keep=keep) as client, domain.admin() as admin:
        await client.identity(ALICE)
        await admin.post("/v1/rotate-trk", json={})
        with pytest.raises(CheckFailed, match="lost"):
            await client.provision(ALICE)
    again: list[ProtectionKeys] = []

    async def keep_again(keys: ProtectionKeys) -> None:
        again.append(keys)

    async with domain.client(keys=kept[0], keep=keep_again) as client:
        await client.provision(ALICE)
        await client.provision(ALICE)
    assert [pair.number for pair in again] == [2]


async def test_a_lost_first_answer_does_not_lock_out(domain: KmsDomain) -> None:
    async def lose(_: ProtectionKeys) -> None:
        raise CheckFailed("lost on the way")

    async with domain.client(keep=lose) as client:
        with pytest.raises(CheckFailed, match="lost"):
            await client.init()
    async with domain.client() as client:
        await client.provision(ALICE)


async def test_a_token_alone_does_not_replace_the_keys_of_a_client(domain: KmsDomain) -> None:
    async with domain.client() as client:
        await client.provision(ALICE)
    async with domain.client() as thief:
        with pytest.raises(KmsRefused) as caught:
            await thief.init()
        assert caught.value.status == 403
    async with domain.admin() as admin:
        assert (await admin.post("/v1/forget", json={"user": ALICE})).json() == {"retired": 1}
    async with domain.client() as client:
        await client.provision(ALICE)


async def test_an_enrolled_client(tmp_path: Path) -> None:
    from mcsec._core import Secret

    config = await make(tmp_path / "a", bootstrap='"enrolled"')
    async with serve(config) as domain:
        async with domain.client() as client:
            with pytest.raises(KmsRefused):
                await client.init()
        async with domain.admin() as admin:
            made = (await admin.post("/v1/enrol", json={"user": ALICE})).json()
        keys = ProtectionKeys(
            ALICE,
            made["number"],
            Secret(bytes.fromhex(made["transport_key"])),
            Secret(bytes.fromhex(made["integrity_key"])),
        )
        async with domain.client(keys=keys) as client:
            assert (await client.identity(ALICE)).uri == ALICE


async def test_without_protection_only_by_configuration(tmp_path: Path) -> None:
    config = await make(tmp_path / "a", protection="false")
    async with serve(config) as domain:
        async with domain.client() as client:
            assert (await client.identity(ALICE)).uri == ALICE
        wary = domain.client()
        wary._exchange = replace(wary._exchange, protection=True)
        async with wary:
            with pytest.raises(CheckFailed) as caught:
                await wary.init()
            assert caught.value.code == "kms.unsigned"


async def test_a_token_is_renewed_once(domain: KmsDomain) -> None:
    asked = 0

    async def source() -> Secret:
        nonlocal asked
        asked += 1
        token = domain.token(now=time.time() - 10_000) if asked == 1 else domain.token()
        return Secret(token.encode())

    async with domain.client(token=source) as client:
        await client.init()
    assert asked == 2
    async with domain.client(token=domain.source(now=time.time() - 10_000)) as client:
        with pytest.raises(KmsRefused) as caught:
            await client.init()
        assert caught.value.status == 401


async def test_back_off_with_jitter_then_the_reason(domain: KmsDomain) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    settings = KmsClientSettings(
        "https://127.0.0.1:9", domain.config.kms.uri, ALICE, attempts=6, back_off=1.0
    )
    tls = client_context(domain.config.path("tls/ca.pem"))
    async with KmsClient(settings, domain.source(), tls, sleep=sleep) as client:
        with pytest.raises(KmsUnreachable):
            await client.init()
    assert len(waits) == 5
    assert all(wait <= bound for wait, bound in zip(waits, (1, 2, 4, 8, 10), strict=True))


async def test_another_kms_is_not_believed(domain: KmsDomain, tmp_path: Path) -> None:
    settings = KmsClientSettings(domain.address, "kms.b.example", ALICE, attempts=1)
    tls = client_context(domain.config.path("tls/ca.pem"))
    async with KmsClient(settings, domain.source(), tls, sleep=no_sleep) as client:
        with pytest.raises(KmsRefused):
            await client.init()
    other = await make(tmp_path / "other", "other.example")
    stranger = client_context(other.path("tls/ca.pem"))
    settings = KmsClientSettings(domain.address, domain.config.kms.uri, ALICE, attempts=1)
    async with KmsClient(settings, domain.source(), stranger, sleep=no_sleep) as client:
        with pytest.raises(KmsUnreachable):
            await client.init()


async def test_the_receivers_kms_is_found_by_domain(domain: KmsDomain, tmp_path: Path) -> None:
    other = await make(tmp_path / "b", "b.example")
    async with serve(other) as partner, domain.client() as client, domain.admin() as admin:
        book = await client.certificates()
        with pytest.raises(Refused) as caught:
            book.of_user("sip:zoe@b.example", time.time())
        assert caught.value.code == "kms.unknown"
        async with partner.admin() as theirs:
            document = (await theirs.get("/v1/certificate")).json()["document"]
        assert (await admin.post("/v1/trust", json={"document": document})).status_code == 200
        await client.certificates()
        public = book.of_user("sip:zoe@b.example", time.time())
        assert public.kms_uri == "kms.b.example"
        # A message of another domain's user verifies with that domain's keys, and with no others.
        async with partner.client("sip:zoe@b.example") as zoe:
            keys = await zoe.identity("sip:zoe@b.example")
        public.authentication.verify(keys.uid, b"hello", keys.signer.sign(b"hello"))
        with pytest.raises(CheckFailed):
            book.own().authentication.verify(keys.uid, b"hello", keys.signer.sign(b"hello"))
        assert {kms.kms_uri for kms in book.usable(time.time())} == {"kms.a.example", "kms.b.example"}
        gone = {"identity": "kms.b.example", "reason": "contract ended"}
        assert (await admin.post("/v1/distrust", json=gone)).status_code == 200
        await client.certificates()
        for refuse in (lambda: book.of_user("sip:zoe@b.example", time.time()),
                       lambda: book.of_kms("kms.b.example", time.time())):  # fmt: skip
            with pytest.raises(Refused) as caught:
                refuse()
            assert caught.value.code == "kms.kms-revoked"
        assert book.of_user(BOB, time.time()).kms_uri == "kms.a.example"


async def test_a_revoked_user_shows_in_the_certificate(domain: KmsDomain) -> None:
    async with domain.client(BOB) as bob, domain.client() as client, domain.admin() as admin:
        keys = await bob.identity(BOB)
        book = await client.certificates()
        assert book.own().revoked_users == frozenset()
        await admin.post("/v1/revoke", json={"identity": BOB, "reason": "lost device"})
        await client.certificates()
        near = range(keys.period_no - 1, keys.period_no + 2)
        assert book.own().revoked_users == {book.own().uid_in(BOB, number) for number in near}
        with pytest.raises(KmsRefused) as refused:
            await bob.provision(BOB)
        assert refused.value.status == 403
        await admin.post("/v1/reinstate", json={"identity": BOB})
        await client.certificates()
        assert book.own().revoked_users == frozenset()
