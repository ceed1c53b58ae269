"""What a GMS keeps: group documents, their keys under wrap, who was given which, and its log."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    LargeBinary,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from mcsec.ids import KeyId
from mcsec.keys.key import Key, Maker, Scope
from mcsec.store.tables import metadata
from mcsec.store.wrapping import Place, Wrapper

group_table = Table(
    "gms_group",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("document", LargeBinary, nullable=False),
    Column("etag", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("release_13", Boolean, nullable=False),
    Column("until", Float, nullable=True),
    Column("changed", Float, nullable=False),
)
key_table = Table(
    "gms_key",
    metadata,
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("group_id", Text, nullable=False, index=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("rand", LargeBinary, nullable=False),
    Column("maker_domain", Text, nullable=False),
    Column("maker_entity", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("activation", Float, nullable=False),
    Column("expiry", Float, nullable=True),
    Column("state", String(16), nullable=False),
    Column("changed", Float, nullable=False),
)
holder_table = Table(
    "gms_holder",
    metadata,
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("member", Text, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("changed", Float, nullable=False),
)
log_table = Table(
    "gms_log",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("subject", Text, nullable=False, index=True),
    Column("line", Text, nullable=False),
)


class KeyState(StrEnum):
    """Where a group key is in its life: handed out; no more handed out; to be used by nobody."""

    LIVE = "live"
    RETIRED = "retired"
    REVOKED = "revoked"


class Held(StrEnum):
    """How far a key came on its way to a member.

    ``GIVEN``: in an answer that left, whether or not it arrived; ``ENDED``: the member was told that it is revoked.
    """

    GIVEN = "given"
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group. ``until``: when a temporary group ends; ``release_13``: the operator's switch. Unix seconds."""

    group_id: str
    document: bytes
    etag: str
    owner: str
    release_13: bool
    until: float | None
    changed: float


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of a group, and since when it is in its state."""

    key: Key
    group_id: str
    state: KeyState
    changed: float


class GmsTables:
    """The tables of a GMS on one connection: what is written counts when the transaction is committed."""

    def __init__(self, connection: Connection, wrapper: Wrapper) -> None:
        self._connection = connection
        self._wrapper = wrapper

    # Groups

    def groups(self) -> list[GroupRow]:
        """Every group."""
        return [GroupRow(*row) for row in self._connection.execute(select(group_table))]

    def put_group(self, row: GroupRow) -> None:
        """A group, new or instead of what it was."""
        self.drop_group(row.group_id)
        self._connection.execute(
            insert(group_table).values(
                group_id=row.group_id,
                document=row.document,
                etag=row.etag,
                owner=row.owner,
                release_13=row.release_13,
                until=row.until,
                changed=row.changed,
            )
        )

    def drop_group(self, group_id: str) -> None:
        """A group is no more."""
        self._connection.execute(delete(group_table).where(group_table.c.group_id == group_id))

    # Keys

    def keys(self) -> list[KeyRow]:
        """Every key, oldest first.

        :raises WrapError: a row was changed.
        """
        found = []
        statement = select(key_table).order_by(key_table.c.created, key_table.c.key_id)
        for row in self._connection.execute(statement):
            key = Key(
                key_id=KeyId(row.key_id),
                secret=self._wrapper.unwrap(row.wrapped, _place(row.key_id)),
                rand=row.rand,
                scope=Scope.of(row.group_id),
                maker=Maker(row.maker_domain, row.maker_entity),
                created=row.created,
                activation=row.activation,
                expiry=row.expiry,
            )
            found.append(KeyRow(key, row.group_id, KeyState(row.state), row.changed))
        return found

    def add_key(self, row: KeyRow) -> None:
        """A key that was made."""
        key = row.key
        self._connection.execute(
            insert(key_table).values(
                key_id=key.key_id.value,
                group_id=row.group_id,
                wrapped=self._wrapper.wrap(key.secret, _place(key.key_id.value)),
                rand=key.rand,
                maker_domain=key.maker.domain,
                maker_entity=key.maker.entity,
                created=key.created,
                activation=key.activation,
                expiry=key.expiry,
                state=row.state,
                changed=row.changed,
            )
        )

    def set_key_state(self, key_ids: Iterable[KeyId], state: KeyState, now: float) -> None:
        """Keys go on in their lives."""
        values = [key_id.value for key_id in key_ids]
        if values:
            self._connection.execute(
                update(key_table).where(key_table.c.key_id.in_(values)).values(state=state, changed=now)
            )

    def drop_keys(self, key_ids: Iterable[KeyId]) -> None:
        """Keys are destroyed, and who held them is forgotten; the log is not."""
        values = [key_id.value for key_id in key_ids]
        if values:
            self._connection.execute(delete(key_table).where(key_table.c.key_id.in_(values)))
            self._connection.execute(delete(holder_table).where(holder_table.c.key_id.in_(values)))

    # Who holds them

    def holders(self) -> list[tuple[KeyId, str, Held, float]]:
        """Who was given which key, how far it came, and when."""
        return [
            (KeyId(row.key_id), row.member, Held(row.state), row.changed)
            for row in self._connection.execute(select(holder_table))
        ]

    def set_held(self, key_ids: Collection[KeyId], member: str, state: Held, now: float) -> None:
        """A member was given keys, acknowledged or refused them."""
        values = [key_id.value for key_id in key_ids]
        if values:
            self._connection.execute(
                delete(holder_table).where(holder_table.c.key_id.in_(values), holder_table.c.member == member)
            )
            rows = [{"key_id": value, "member": member, "state": state, "changed": now} for value in values]
            self._connection.execute(insert(holder_table), rows)

    # The log

    def add_log(self, lines: Iterable[tuple[int, str, str]]) -> None:
        """Records: sequence, subject, line."""
        values = [{"sequence": number, "subject": subject, "line": line} for number, subject, line in lines]
        if values:
            self._connection.execute(insert(log_table), values)

    def log(self, after: int, limit: int, subject: str | None = None) -> list[str]:
        """Lines after a sequence number, in order."""
        statement = select(log_table.c.line).where(log_table.c.sequence > after)
        if subject is not None:
            statement = statement.where(log_table.c.subject == subject)
        return list(self._connection.execute(statement.order_by(log_table.c.sequence).limit(limit)).scalars())

    def last_log_line(self) -> str | None:
        """The last record."""
        statement = select(log_table.c.line).order_by(log_table.c.sequence.desc()).limit(1)
        return self._connection.execute(statement).scalar()


def _place(key_id: int) -> Place:
    return Place("gms_key", f"{key_id:08x}", "group key")
