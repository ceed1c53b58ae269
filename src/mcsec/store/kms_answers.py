"""What a KMS gave a server, written down: its keys and the certificates of KMSs, for a start while the KMS is gone.

Keys lie wrapped. So do certificates: whoever can write to the store must not choose whom the server believes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, Text, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.crypto.kms_keys import IdentitySecrets
from mcsec.crypto.secret import Secret
from mcsec.store.tables import metadata
from mcsec.store.wrapping import Place
from mcsec.wire import xml
from mcsec.wire.kms.decode import decode_certificate
from mcsec.wire.kms.encode import encode_certificate
from mcsec.wire.kms.model import Certificate

if TYPE_CHECKING:
    from mcsec.store.database import Database

identities = Table(
    "mc_kms_identity",
    metadata,
    Column("user", Text, primary_key=True),
    Column("period", BigInteger, primary_key=True, autoincrement=False),
    Column("rsk", LargeBinary, nullable=False),
    Column("ssk", LargeBinary, nullable=False),
    Column("pvt", LargeBinary, nullable=False),
)

certificates = Table(
    "mc_kms_certificate",
    metadata,
    Column("kms_uri", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)


class KmsAnswers:
    """What the KMS gave ``user``, in a store."""

    def __init__(self, database: Database, user: str) -> None:
        self._database, self._user = database, user

    async def keep(self, keys: Sequence[IdentitySecrets], books: Iterable[Certificate]) -> None:
        """Write down ``keys``, and every certificate; keys of periods before the last are forgotten.

        :raises StoreError: the store takes nothing.
        """
        wrapper = self._database.wrapper
        rows = [
            {
                "rsk": wrapper.wrap(one.rsk, _place(one.uri, one.period_no, "RSK")),
                "ssk": wrapper.wrap(one.ssk, _place(one.uri, one.period_no, "SSK")),
                "pvt": one.pvt,
            }
            for one in keys
        ]
        believed = [
            {
                "kms_uri": one.kms_uri,
                "wrapped": wrapper.wrap(Secret(xml.serialise(encode_certificate(one))), _of(one.kms_uri)),
            }
            for one in books
        ]

        def work(connection: Connection) -> None:
            for one, row in zip(keys, rows, strict=True):
                statement = upsert(identities).values(user=one.uri, period=one.period_no, **row)
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["user", "period"], set_=row)
                )
                own = identities.c.user == one.uri
                connection.execute(delete(identities).where(own, identities.c.period < one.period_no - 2))
            connection.execute(delete(certificates))
            for found in believed:
                connection.execute(upsert(certificates).values(found))

        await self._database.transact(work)

    async def recall(self) -> tuple[list[IdentitySecrets], list[Certificate]]:
        """What was written down; nothing where nothing was.

        :raises WrapError: it was changed. :raises DecodeError: a certificate that this program does not understand.
        """
        async with self._database.read() as connection:
            query = select(identities).where(identities.c.user == self._user).order_by(identities.c.period)
            keys = (await connection.execute(query)).all()
            believed = (await connection.execute(select(certificates))).all()
        unwrap = self._database.wrapper.unwrap
        return [
            IdentitySecrets(
                row.user,
                row.period,
                unwrap(row.rsk, _place(row.user, row.period, "RSK")),
                unwrap(row.ssk, _place(row.user, row.period, "SSK")),
                row.pvt,
            )
            for row in keys
        ], [decode_certificate(xml.parse(unwrap(row.wrapped, _of(row.kms_uri)).reveal())) for row in believed]


def _place(user: str, period: int, kind: str) -> Place:
    return Place("mc_kms_identity", f"{user} {period}", kind)


def _of(kms_uri: str) -> Place:
    return Place("mc_kms_certificate", kms_uri, "certificate")
