"""Whatever is done to provenance in the store is found, and located; checkpoints tell that the end was cut off."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, insert, text, update

from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed
from mcsec.ids import PurposeTag
from mcsec.keys.chain import ChainBroken, Fault, Head
from mcsec.keys.checkpoint import Checkpoint
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.provenance import Chain
from mcsec.keys.records import Happening, Record, encode
from mcsec.store import audit, server
from mcsec.store.address import Address
from mcsec.store.database import Database, StoreError
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import Kek
from mcsec.store.server_tables import provenance
from mcsec.store.tables import checkpoints

pytestmark = pytest.mark.anyio
NOW, MANY = 1_795_435_200.0, 40
KEK = Kek(Secret(bytes(32)))
KEY = make(PurposeTag.MUSIK, scope=Scope(), maker=Maker("a.example", "mcx.a.example"), now=NOW)


def written(domain: str = "a.example") -> list[Record]:
    chain = Chain(domain)
    return [chain.append(Happening.HELD, KEY, now=NOW, subject=f"sip:u{n}") for n in range(MANY)]


@contextlib.asynccontextmanager
async def filled(address: Address) -> AsyncIterator[Database]:
    database = await Database.open(address, KEK)
    try:
        async with GroupCommit(database) as writer:
            await writer.write(server.append(record) for record in written())
        yield database
    finally:
        await database.close()


def _set(connection: Connection, number: int, line: str) -> None:
    connection.execute(update(provenance).where(provenance.c.sequence == number).values(line=line))


def altered(connection: Connection) -> None:
    _set(connection, 7, encode(replace(written()[7], subject="sip:somebody")))


def sealed_anew(connection: Connection) -> None:
    changed = replace(written()[7], subject="sip:somebody", digest=b"")
    _set(connection, 7, encode(replace(changed, digest=changed.seal())))


def no_record(connection: Connection) -> None:
    _set(connection, 7, "{}")


def taken_out(connection: Connection) -> None:
    connection.execute(delete(provenance).where(provenance.c.sequence == 7))


def taken_out_and_closed_up(connection: Connection) -> None:
    taken_out(connection)
    for number in range(8, MANY):
        connection.execute(
            update(provenance).where(provenance.c.sequence == number).values(sequence=number - 1)
        )


def exchanged(connection: Connection) -> None:
    lines = [encode(record) for record in written()]
    _set(connection, 7, lines[8])
    _set(connection, 8, lines[7])


def said_twice(connection: Connection) -> None:
    _set(connection, 7, encode(written()[6]))


def put_in(connection: Connection) -> None:
    extra = replace(written()[-1], sequence=MANY, subject="sip:somebody", digest=b"")
    connection.execute(
        insert(provenance).values(sequence=MANY, line=encode(replace(extra, digest=extra.seal())))
    )


def of_another_domain(connection: Connection) -> None:
    _set(connection, 7, encode(written("b.example")[7]))


def cut_off(connection: Connection) -> None:
    connection.execute(delete(provenance).where(provenance.c.sequence >= 30))


def emptied(connection: Connection) -> None:
    connection.execute(delete(provenance))


def written_anew(connection: Connection) -> None:
    chain = Chain("a.example")
    for number in range(MANY):
        record = chain.append(Happening.HELD, KEY, now=NOW, subject=f"sip:other{number}")
        _set(connection, number, encode(record))


Tampering = Callable[[Connection], None]
KINDS: list[tuple[Tampering, int, Fault]] = [
    (altered, 7, Fault.ALTERED),
    (sealed_anew, 8, Fault.UNLINKED),
    (no_record, 7, Fault.ALTERED),
    (taken_out, 8, Fault.MISSING),
    (taken_out_and_closed_up, 7, Fault.OUT_OF_ORDER),
    (exchanged, 7, Fault.OUT_OF_ORDER),
    (said_twice, 7, Fault.OUT_OF_ORDER),
    (put_in, MANY, Fault.UNLINKED),
    (of_another_domain, 7, Fault.FOREIGN),
    (cut_off, 30, Fault.TRUNCATED),
    (emptied, 0, Fault.TRUNCATED),
    (written_anew, MANY - 1, Fault.FORKED),
]


@pytest.mark.parametrize(
    ("tamper", "where", "fault"), KINDS, ids=lambda value: getattr(value, "__name__", None)
)
async def test_tampering_is_found_and_located(
    address: Address, tamper: Tampering, where: int, fault: Fault
) -> None:
    async with filled(address) as database:
        head = await database.transact(lambda connection: audit.verify(connection, "a.example"))
        assert head.length == MANY
        await database.transact(tamper)
        with pytest.raises(ChainBroken) as caught:
            await database.transact(lambda connection: audit.verify(connection, "a.example", [head]))
        assert (caught.value.sequence, caught.value.fault) == (where, fault)


async def test_every_head_on_the_way_is_passed(address: Address) -> None:
    heads = [Head(record.sequence + 1, record.digest) for record in written()]
    async with filled(address) as database:
        assert heads[-1] == await database.transact(
            lambda connection: audit.verify(connection, "a.example", [heads[30], heads[3], heads[-1]])
        )
        wrong = Head(12, bytes(32))
        with pytest.raises(ChainBroken) as caught:
            await database.transact(lambda c: audit.verify(c, "a.example", [heads[30], wrong]))
        assert (caught.value.sequence, caught.value.fault) == (11, Fault.FORKED)


async def test_a_start_verifies_what_came_since_the_last_and_signs_it(address: Address) -> None:
    async with filled(address) as database:

        def start(connection: Connection) -> Head:
            return audit.verify_recent(connection, "a.example", database.wrapper, NOW)

        head = await database.transact(start)
        assert await database.transact(start) == head
        (line,) = await database.transact(audit.stored)
        assert Checkpoint.read(line).head == head
        # What was verified before is not read again, but for where it ended.
        await database.transact(altered)
        assert await database.transact(start) == head
        await database.transact(cut_off)
        with pytest.raises(ChainBroken) as caught:
            await database.transact(start)
        assert (caught.value.sequence, caught.value.fault) == (MANY - 1, Fault.TRUNCATED)


async def test_a_checkpoint_that_was_not_signed_here_is_refused(address: Address) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    async with filled(address) as database:

        def start(connection: Connection) -> Head:
            return audit.verify_recent(connection, "a.example", database.wrapper, NOW)

        head = await database.transact(start)
        _, forged = Checkpoint.sign("a.example", head, Ed25519PrivateKey.generate(), NOW)
        await database.transact(
            lambda connection: connection.execute(update(checkpoints).values(document=forged))
        )
        with pytest.raises(CheckFailed):
            await database.transact(start)


async def test_the_signing_key_lies_wrapped(address: Address) -> None:
    async with filled(address) as database:
        with pytest.raises(StoreError, match="no server was started"):
            await database.transact(lambda c: audit.signer(c, database.wrapper))
        await database.transact(lambda c: audit.verify_recent(c, "a.example", database.wrapper, NOW))
        key = await database.transact(lambda c: audit.signer(c, database.wrapper))
        again = await database.transact(lambda c: audit.signer(c, database.wrapper))
        assert key.private_bytes_raw() == again.private_bytes_raw()
        rows = await database.transact(
            lambda c: c.execute(text("SELECT wrapped FROM audit_signer")).scalars().all()
        )
        assert [key.private_bytes_raw() in row for row in rows] == [False]
