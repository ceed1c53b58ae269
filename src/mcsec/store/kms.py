"""What a KMS keeps: master secrets, what it issued, protection keys of its clients, certificates, its log.

Everything secret is wrapped and bound to its row. The statements work on sets, so that many issues cost one
transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    func,
    insert,
    select,
    update,
)

from mcsec._core import Secret
from mcsec.crypto.kms_keys import MasterSecrets
from mcsec.store.tables import metadata
from mcsec.store.wrapping import Place, Wrapper

master_table = Table(
    "kms_master",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kms_uri", Text, nullable=False),
    Column("period", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("z", LargeBinary, nullable=False),
    Column("ksak", LargeBinary, nullable=False),
)
issued_table = Table(
    "kms_issued",
    metadata,
    Column("uid", LargeBinary(32), primary_key=True),
    Column("user_uri", Text, nullable=False, index=True),
    Column("period_no", BigInteger, nullable=False),
    Column("first_issued", BigInteger, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)
client_table = Table(
    "kms_client",
    metadata,
    Column("user_uri", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("client_id", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("made", BigInteger, nullable=False),
    Column("transport", LargeBinary, nullable=False),
    Column("integrity", LargeBinary, nullable=False),
)
revoked_table = Table(
    "kms_revoked",
    metadata,
    Column("user_uri", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
)
certificate_table = Table(
    "kms_certificate",
    metadata,
    Column("kms_uri", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("changed", BigInteger, nullable=False),
)
log_table = Table(
    "kms_log",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("identity", Text, nullable=False, index=True),
    Column("line", Text, nullable=False),
)

_PVT_OCTETS = 65


@dataclass(frozen=True, slots=True)
class MasterRow:
    """The one set of master secrets, and the facts that every UID depends on."""

    kms_uri: str
    period: int
    offset: int
    secrets: MasterSecrets


@dataclass(frozen=True, slots=True)
class IssuedRow:
    """What was issued for one UID: SSK and PVT (RSK follows from z)."""

    uid: bytes
    user_uri: str
    period_no: int
    first_issued: int
    ssk: Secret
    pvt: bytes


class PairState(StrEnum):
    """How far a pair of protection keys has come."""

    OFFERED = "offered"
    CONFIRMED = "confirmed"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class PairRow:
    """A pair of protection keys of one client of a user."""

    user_uri: str
    number: int
    client_id: str
    state: PairState
    made: int
    transport: Secret
    integrity: Secret


@dataclass(frozen=True, slots=True)
class CertificateRow:
    """A partner KMS's certificate, as its document, and the cache number of its last change."""

    kms_uri: str
    document: bytes
    revoked: bool
    changed: int


class KmsTables:
    """The tables of a KMS on one connection: what is written counts when the transaction is committed."""

    def __init__(self, connection: Connection, wrapper: Wrapper) -> None:
        self._connection = connection
        self._wrapper = wrapper

    # Master secrets

    def master(self) -> MasterRow | None:
        """The master secrets; None in a fresh database.

        :raises WrapError: they were changed.
        """
        row = (self._connection.execute(select(master_table))).first()
        if row is None:
            return None
        z = self._wrapper.unwrap(row.z, _master_place("z"))
        ksak = self._wrapper.unwrap(row.ksak, _master_place("KSAK"))
        return MasterRow(row.kms_uri, row.period, row.offset, MasterSecrets(z, ksak))

    def add_master(self, master: MasterRow, now: int) -> None:
        """The master secrets, once."""
        values = {
            "id": 1,
            "kms_uri": master.kms_uri,
            "period": master.period,
            "offset": master.offset,
            "made": now,
            "z": self._wrapper.wrap(master.secrets.z, _master_place("z")),
            "ksak": self._wrapper.wrap(master.secrets.ksak, _master_place("KSAK")),
        }
        self._connection.execute(insert(master_table).values(values))

    # Issued keys

    def issued(self, uids: Sequence[bytes]) -> dict[bytes, IssuedRow]:
        """What was issued for these UIDs.

        :raises WrapError: a row was changed.
        """
        found = self._connection.execute(_ISSUED, {"uids": list(uids)})
        rows = {}
        for row in found:
            both = self._wrapper.unwrap(row.blob, _issued_place(row.uid))
            ssk, pvt = both.head(len(both) - _PVT_OCTETS), both.tail(_PVT_OCTETS).reveal()
            rows[row.uid] = IssuedRow(row.uid, row.user_uri, row.period_no, row.first_issued, ssk, pvt)
        return rows

    def add_issued(self, rows: Iterable[IssuedRow]) -> None:
        """What is being issued for the first time."""
        values = [
            {
                "uid": row.uid,
                "user_uri": row.user_uri,
                "period_no": row.period_no,
                "first_issued": row.first_issued,
                "blob": self._wrapper.wrap(Secret(row.ssk.reveal() + row.pvt), _issued_place(row.uid)),
            }
            for row in rows
        ]
        if values:
            self._connection.execute(insert(issued_table), values)

    def users(self, after: str, limit: int) -> list[tuple[str, int, int]]:
        """Users in order, after a URI: URI, periods issued, latest period."""
        statement = (
            select(issued_table.c.user_uri, func.count(), func.max(issued_table.c.period_no))
            .where(issued_table.c.user_uri > after)
            .group_by(issued_table.c.user_uri)
            .order_by(issued_table.c.user_uri)
            .limit(limit)
        )
        return [(row[0], row[1], row[2]) for row in self._connection.execute(statement)]

    def count_issued(self) -> int:
        """How many UIDs have keys."""
        return (self._connection.execute(select(func.count()).select_from(issued_table))).scalar_one()

    # Protection keys

    def pairs(self, user_uri: str) -> list[PairRow]:
        """Every pair of protection keys of a user's clients that is not retired, in order."""
        statement = (
            select(client_table)
            .where(client_table.c.user_uri == user_uri, client_table.c.state != PairState.RETIRED)
            .order_by(client_table.c.number)
        )
        return [
            PairRow(
                row.user_uri,
                row.number,
                row.client_id,
                PairState(row.state),
                row.made,
                self._wrapper.unwrap(row.transport, _pair_place(user_uri, row.number, "TrK")),
                self._wrapper.unwrap(row.integrity, _pair_place(user_uri, row.number, "InK")),
            )
            for row in self._connection.execute(statement)
        ]

    def last_number(self, user_uri: str) -> int:
        """The highest number that a pair of this user had; 0 where there was none."""
        statement = select(func.max(client_table.c.number)).where(client_table.c.user_uri == user_uri)
        return (self._connection.execute(statement)).scalar() or 0

    def add_pair(self, row: PairRow) -> None:
        """A new pair of protection keys."""
        values = {
            "user_uri": row.user_uri,
            "number": row.number,
            "client_id": row.client_id,
            "state": row.state,
            "made": row.made,
            "transport": self._wrapper.wrap(row.transport, _pair_place(row.user_uri, row.number, "TrK")),
            "integrity": self._wrapper.wrap(row.integrity, _pair_place(row.user_uri, row.number, "InK")),
        }
        self._connection.execute(insert(client_table).values(values))

    def set_pair_state(self, user_uri: str, numbers: Iterable[int], state: PairState) -> None:
        """Moves pairs on. A retired pair's keys are overwritten."""
        for number in numbers:
            values: dict[str, object] = {"state": state}
            if state is PairState.RETIRED:
                values |= {"transport": b"", "integrity": b""}
            self._connection.execute(
                update(client_table)
                .where(client_table.c.user_uri == user_uri, client_table.c.number == number)
                .values(values)
            )

    def expire_pairs(self, user_uri: str | None) -> int:
        """Lets the pairs of a user, or of everybody, be replaced at the next answer; how many they are."""
        statement = update(client_table).where(client_table.c.state == PairState.CONFIRMED).values(made=0)
        if user_uri is not None:
            statement = statement.where(client_table.c.user_uri == user_uri)
        return (self._connection.execute(statement)).rowcount

    # Revocation

    def revoked(self) -> dict[str, tuple[int, str]]:
        """Every revoked identity: since when (Unix seconds), and why."""
        return {
            row.user_uri: (row.since, row.reason) for row in self._connection.execute(select(revoked_table))
        }

    def revoke(self, user_uri: str, since: int, reason: str) -> None:
        """No more keys for this identity."""
        self._connection.execute(insert(revoked_table).values(user_uri=user_uri, since=since, reason=reason))

    def reinstate(self, user_uri: str) -> None:
        """Keys for this identity again."""
        self._connection.execute(revoked_table.delete().where(revoked_table.c.user_uri == user_uri))

    # Certificates of partners

    def certificates(self) -> list[CertificateRow]:
        """Every partner's certificate."""
        return [
            CertificateRow(row.kms_uri, row.document, row.revoked, row.changed)
            for row in self._connection.execute(select(certificate_table))
        ]

    def put_certificate(self, row: CertificateRow) -> None:
        """A partner's certificate, new or instead of its last."""
        self._connection.execute(certificate_table.delete().where(certificate_table.c.kms_uri == row.kms_uri))
        self._connection.execute(
            insert(certificate_table).values(
                kms_uri=row.kms_uri, document=row.document, revoked=row.revoked, changed=row.changed
            )
        )

    # The log

    def add_log(self, lines: Sequence[tuple[int, str, str]]) -> None:
        """Records: sequence, identity, line."""
        if lines:
            self._connection.execute(
                insert(log_table), [{"sequence": s, "identity": i, "line": line} for s, i, line in lines]
            )

    def log(self, after: int, limit: int, identity: str | None = None) -> list[str]:
        """Lines after a sequence number, in order."""
        statement = select(log_table.c.line).where(log_table.c.sequence > after)
        if identity is not None:
            statement = statement.where(log_table.c.identity == identity)
        statement = statement.order_by(log_table.c.sequence).limit(limit)
        return list((self._connection.execute(statement)).scalars())

    def last_log_line(self) -> str | None:
        """The last record."""
        statement = select(log_table.c.line).order_by(log_table.c.sequence.desc()).limit(1)
        return (self._connection.execute(statement)).scalar()


_ISSUED = select(issued_table).where(issued_table.c.uid.in_(bindparam("uids", expanding=True)))


def _master_place(kind: str) -> Place:
    return Place("kms_master", "1", kind)


def _issued_place(uid: bytes) -> Place:
    return Place("kms_issued", uid.hex(), "SSK, PVT")


def _pair_place(user_uri: str, number: int, kind: str) -> Place:
    return Place("kms_client", f"{number}.{user_uri}", kind)
