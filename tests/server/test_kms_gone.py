"""A KMS that is gone: a server starts from what it has stored, and signs nothing when its key period is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from mcsec.crypto.kms_keys import IdentityKeys, IdentitySecrets
from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed, McsecError
from mcsec.keys.events import KeyHeld
from mcsec.keys.key import Scope
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient, KmsUnreachable
from mcsec.net.kms.upkeep import Upkeep
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import delivering
from mcsec.server import running as server_running
from mcsec.server.events import DeliveryGivenUp, DeliveryRetried, UpkeepFailed
from mcsec.server.running import Provisioning
from mcsec.server.service import Identity, McServer
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.kek import Kek, WrapError
from mcsec.store.kms_answers import KmsAnswers
from mcsec.wire.kms.model import Certificate, Role
from support.domains import KMS_URI, NOW, PERIOD, kms
from support.mc_server import GROUP, running
from support.scripted_mcx import MDSI
from support.sharing import users
from support.waiting import until

pytestmark = pytest.mark.anyio
KEK = Kek(Secret(bytes(32)))
REVOKED = bytes(range(32))


class Kms:
    """A KMS that is there or not, and counts what it issues."""

    def __init__(self) -> None:
        self.now = NOW
        self.there = True
        self.issued = 0
        self.book = CertificateBook(KMS_URI)

    async def __aenter__(self) -> Kms:
        if not self.there:
            raise KmsUnreachable("https://kms: ConnectError")
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def connect(self) -> KmsClient:
        return cast("KmsClient", self)

    def update(self) -> None:
        public = kms().public
        z, kpak = public.encryption.octets(), public.authentication.octets()
        domains, revoked = ("a.example",), (REVOKED,)
        self.book.update(
            [Certificate(Role.ROOT, KMS_URI, PERIOD, 0, z, kpak, domains=domains, revoked_users=revoked)]
        )

    async def provision(self, uri: str, *, store: object = None) -> list[IdentityKeys]:
        self.update()
        self.issued += 1
        found = []
        for time_ in (self.now, self.now + PERIOD)[: 1 if self.issued == 1 else 2]:
            number = kms().public.period_at(time_)
            material = kms().master.extract(kms().public.uid_in(uri, number))
            secrets = IdentitySecrets(uri, number, material.rsk, material.ssk, material.pvt)
            assert callable(store)
            store(secrets)
            found.append(IdentityKeys.validate(kms().public, *secrets))
        return found

    async def certificates(self) -> None:
        self.update()

    def upkeep(self, database: Database) -> Upkeep:
        self.book = CertificateBook(KMS_URI)
        memory = KmsAnswers(database, MDSI)
        return Upkeep(self.connect, self.book, MDSI, look=60, now=lambda: self.now, memory=memory)


@asynccontextmanager
async def opened(address: Address | Path) -> AsyncIterator[Database]:
    database = await Database.open(address, KEK)
    try:
        yield database
    finally:
        await database.close()


async def test_what_it_gave_is_taken_up_again(tmp_path: Path) -> None:
    office = Kms()
    async with opened(tmp_path / "server.db") as database:
        upkeep = office.upkeep(database)
        with pytest.raises(CheckFailed) as caught:
            await upkeep.recall()
        assert caught.value.code == "kms.no-keys"
        await upkeep.fetch()
        first = upkeep.present()
    office.there = False
    async with opened(tmp_path / "server.db") as database:
        upkeep = office.upkeep(database)
        with pytest.raises(KmsUnreachable):
            await upkeep.fetch()
        await upkeep.recall()
        assert upkeep.present().uid == first.uid
        assert upkeep.present().signer.sign(b"a")[-65:] == first.signer.sign(b"a")[-65:], "the same PVT"
        # Whom the KMS had revoked stays revoked.
        assert upkeep.book.own().revoked_users == {REVOKED}
        # It is asked again, and gives the keys of the next period in time.
        office.there = True
        office.now = (kms().public.period_at(NOW) + 1) * PERIOD - 2_208_988_800 - 3600.0
        await upkeep.fetch()
        assert office.issued == 2
    office.there = False
    office.now += 7200.0
    async with opened(tmp_path / "server.db") as database:
        upkeep = office.upkeep(database)
        await upkeep.recall()
        assert upkeep.present().period_no == first.period_no + 1
        office.now += 2 * PERIOD
        with pytest.raises(CheckFailed, match="for the present key period"):
            await upkeep.recall()


async def test_what_lies_in_the_store_is_wrapped_and_bound(tmp_path: Path) -> None:
    office = Kms()
    async with opened(tmp_path / "server.db") as database:
        await office.upkeep(database).fetch()
        for column in ("rsk", "ssk"):
            async with database.begin() as connection:
                before = (
                    await connection.execute(text(f"SELECT {column} FROM mc_kms_identity"))
                ).scalar_one()
                changed = {"blob": before[:-1] + bytes([before[-1] ^ 1])}
                await connection.execute(text(f"UPDATE mc_kms_identity SET {column} = :blob"), changed)
            with pytest.raises(WrapError):
                await office.upkeep(database).recall()
            async with database.begin() as connection:
                await connection.execute(
                    text(f"UPDATE mc_kms_identity SET {column} = :blob"), {"blob": before}
                )
        await office.upkeep(database).recall()
        # Nobody chooses whom the server believes by writing into the store.
        async with database.begin() as connection:
            await connection.execute(text("UPDATE mc_kms_certificate SET kms_uri = 'kms.evil.example'"))
        with pytest.raises(WrapError):
            await office.upkeep(database).recall()


async def test_keys_that_could_not_be_written_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Kms()
    async with opened(tmp_path / "server.db") as database:
        upkeep = office.upkeep(database)

        async def refuse(work: object) -> None:
            raise StoreError("full")

        with monkeypatch.context() as full:
            full.setattr(database, "transact", refuse)
            with pytest.raises(StoreError):
                await upkeep.fetch()
        # They count meanwhile, and the KMS is not asked for others.
        upkeep.present()
        await upkeep.fetch()
        assert office.issued == 1
        await office.upkeep(database).recall()


class Office(Provisioning):
    """A server's provisioning, from the KMS above."""

    def __init__(self, office: Kms, database: Database) -> None:
        self._upkeep = office.upkeep(database)
        self._missing = None
        self._replay = ReplayCache()
        self.now = lambda: office.now
        self._config = type("Config", (), {"mdsi": MDSI})()


async def test_a_server_starts_from_its_store_or_says_what_to_do(tmp_path: Path) -> None:
    office = Kms()
    office.there = False
    async with opened(tmp_path / "server.db") as database:
        for ask in (Office(office, database).at_hand, Office(office, database).sender):
            with pytest.raises(KmsUnreachable) as caught:
                await ask()
            assert "the store has no keys of mcx.a.example for the present key period" in str(caught.value)
            assert "start the KMS" in caught.value.hint
        office.there = True
        await Office(office, database).at_hand()
        office.there = False
        provisioning = Office(office, database)
        assert (await provisioning.at_hand()).initiator.keys.uri == MDSI
        # One that only delivers has the same, and looks for the KMS again each time.
        sending = Office(office, database)
        assert (await sending.sender()).initiator.keys.uri == MDSI
        office.there = True
        assert (await sending.sender()).initiator.keys.uri == MDSI
        assert office.issued == 1
        office.there = False
        with pytest.raises(KmsUnreachable):
            await sending.sender()


class Server:
    """As much of a server as its provisioning tells."""

    def __init__(self) -> None:
        self.failures: list[McsecError] = []
        self.revoked: list[frozenset[bytes]] = []
        self._public = kms().public

    def tell_failure(self, error: McsecError) -> None:
        self.failures.append(error)

    def renew(self, identity: Identity) -> None:
        self._public = identity.initiator.kms

    async def expel_revoked(self) -> None:
        self.revoked.append(self._public.revoked_users)


async def test_it_looks_for_the_kms_until_that_answers_and_hears_who_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_running, "_SOON", 0.01)
    office = Kms()
    async with opened(tmp_path / "server.db") as database:
        await Office(office, database).at_hand()
        office.there = False
        provisioning = Office(office, database)
        await provisioning.at_hand()
        server = Server()
        renewing = asyncio.create_task(provisioning.renew(cast("McServer", server)))
        await until(lambda: len(server.failures) >= 3)
        assert {error.code for error in server.failures} == {"kms.unreachable"}
        # Whom it had revoked when it was heard last, is told of all the same.
        await until(lambda: server.revoked[-1] == {REVOKED})
        office.there = True
        await until(lambda: provisioning._missing is None)
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


def identity(ago: float) -> Identity:
    """The server's keys as of so many seconds ago."""
    keys, public = kms().identity(MDSI, time.time() - ago), kms().public
    return Identity(Initiator(keys, public), Recipient("", public), Receiver([keys], [public], ReplayCache()))


async def test_after_the_end_of_the_key_period_keys_wait_for_the_kms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "_NO_KEYS", 0.05)
    async with Endpoint(lambda request, peer: make_response(request, 200)) as core:
        _, port = await core.listen("TCP", "127.0.0.1")
        sip = EndpointSettings(outbound=Hop("TCP", "127.0.0.1", port))
        async with running(tmp_path, transports=(), sip=sip, default_musik=False) as mcx:
            await users(mcx.server, 10)
            mcx.server.renew(identity(PERIOD))
            await mcx.server.make_musik(Scope.of(GROUP))
            # Nothing is sent that every client would refuse, and nobody is given up.
            await until(lambda: len(mcx.of(UpkeepFailed)) >= 3)
            (failed, *_) = mcx.of(UpkeepFailed)
            assert isinstance(failed, UpkeepFailed)
            assert "not those of this key period" in failed.reason
            assert "from the KMS" in failed.hint
            assert core.counters.requests_received == 0
            mcx.server.renew(identity(0.0))
            await until(lambda: len(mcx.of(KeyHeld)) == 10)
            assert not mcx.of(DeliveryGivenUp, DeliveryRetried)
