"""Provenance as it lies in a store: read, verified, its heads signed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, insert, select

from mcsec._core import Secret
from mcsec.errors import DecodeError
from mcsec.keys.chain import ChainBroken, Fault, Head
from mcsec.keys.checkpoint import Checkpoint
from mcsec.keys.provenance import verify as verify_chain
from mcsec.keys.records import Record, decode
from mcsec.store import schema
from mcsec.store.failures import StoreError
from mcsec.store.server_tables import provenance
from mcsec.store.tables import audit_signer, checkpoints
from mcsec.store.wrapping import Place, Wrapper

_ROWS = 1000
_PLACE = Place("audit_signer", "1", "Ed25519")


def records(connection: Connection, first: int = 0) -> Iterator[Record]:
    """Records in the order of their numbers, from number ``first`` on.

    :raises ChainBroken: what lies there is no record.
    """
    following = first
    while True:
        rows = connection.execute(
            select(provenance.c.sequence, provenance.c.line)
            .where(provenance.c.sequence >= following)
            .order_by(provenance.c.sequence)
            .limit(_ROWS)
        ).all()
        for number, line in rows:
            try:
                record = decode(line)
            except DecodeError:
                raise ChainBroken(number, Fault.ALTERED) from None
            if record.sequence != number:
                raise ChainBroken(number, Fault.OUT_OF_ORDER)
            yield record
        if len(rows) < _ROWS:
            return
        following = rows[-1].sequence + 1


def verify(
    connection: Connection, domain: str, known: Collection[Head] = (), start: Head | None = None
) -> Head:
    """Check the chain from its beginning, or from ``start``; its head. It must pass through every ``known`` head.

    :raises ChainBroken: it does not hold; the text says where.
    """
    head = Head.start(domain) if start is None else start
    for passed in sorted(known, key=lambda one: one.length):
        if passed.length >= head.length:
            head = _verify_to(connection, domain, head, passed)
    return verify_chain(records(connection, head.length), domain, start=head)


def _verify_to(connection: Connection, domain: str, start: Head, known: Head) -> Head:
    if start.length == known.length:
        if start != known:
            raise ChainBroken(max(known.length - 1, 0), Fault.FORKED)
        return start

    def until() -> Iterator[Record]:
        for record in records(connection, start.length):
            if record.sequence >= known.length:
                return
            yield record

    return verify_chain(until(), domain, start=start, known=known)


def verify_recent(connection: Connection, domain: str, wrapper: Wrapper, now: float) -> Head:
    """Check what came after the last checkpoint that the store has, and set another; the head.

    :raises ChainBroken: it does not hold. :raises CheckFailed: the checkpoint was not signed here.
    """
    schema.lock(connection)
    _make_signer(connection, wrapper, now)
    key = signer(connection, wrapper)
    last = stored(connection, most=1)
    start = None
    if last:
        start = Checkpoint.read(last[0], key.public_key().public_bytes_raw()).head
        _check_there(connection, start)
    head = verify(connection, domain, start=start)
    if head.length > (start.length if start is not None else 0):
        keep(connection, head.length, Checkpoint.sign(domain, head, key, now)[1])
    return head


def _check_there(connection: Connection, head: Head) -> None:
    """Whether the record that ``head`` names is there and what it was."""
    last = next(records(connection, head.length - 1), None)
    if last is None:
        raise ChainBroken(head.length - 1, Fault.TRUNCATED)
    if last.seal() != last.digest:
        raise ChainBroken(last.sequence, Fault.ALTERED)
    if Head(last.sequence + 1, last.digest) != head:
        raise ChainBroken(last.sequence, Fault.FORKED)


def signer(connection: Connection, wrapper: Wrapper) -> Ed25519PrivateKey:
    """What signs this store's checkpoints.

    :raises WrapError: it was changed. :raises StoreError: no server was started on the store yet.
    """
    wrapped = connection.execute(select(audit_signer.c.wrapped)).scalar()
    if wrapped is None:
        raise StoreError("no server was started on this store yet", code="store.empty")
    return Ed25519PrivateKey.from_private_bytes(wrapper.unwrap(wrapped, _PLACE).reveal())


def _make_signer(connection: Connection, wrapper: Wrapper, now: float) -> None:
    if connection.execute(select(audit_signer.c.id)).scalar() is None:
        wrapped = wrapper.wrap(Secret.random(32), _PLACE)
        connection.execute(insert(audit_signer).values(id=1, wrapped=wrapped, made=now))


def keep(connection: Connection, length: int, line: str) -> None:
    """Keep a checkpoint; of one length there is one."""
    if (
        connection.execute(select(checkpoints.c.length).where(checkpoints.c.length == length)).scalar()
        is None
    ):
        connection.execute(insert(checkpoints).values(length=length, document=line))


def stored(connection: Connection, most: int = 1_000_000) -> list[str]:
    """Checkpoints as lines, the last first."""
    rows = connection.execute(
        select(checkpoints.c.document).order_by(checkpoints.c.length.desc()).limit(most)
    )
    return list(rows.scalars())
