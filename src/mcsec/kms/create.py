"""A KMS made from nothing, once: master secrets, wrapped, in a fresh database, and the first record of its log."""

from __future__ import annotations

from sqlalchemy import Connection

from mcsec.crypto.kms_keys import KmsMasterKeys
from mcsec.kms import records
from mcsec.kms.config import Configuration
from mcsec.kms.ledger import Change, Ledger
from mcsec.kms.operations import OPERATOR
from mcsec.kms.records import Act, Entry
from mcsec.net.config import ConfigError
from mcsec.store.database import Database
from mcsec.store.kms import KmsTables, MasterRow


async def create(config: Configuration, now: float) -> None:
    """Make the database of a KMS with fresh master secrets.

    :raises ConfigError: it has some.
    :raises StoreError, WrapError: the database or the wrapping key cannot be used.
    """
    master = KmsMasterKeys.generate()
    database = await Database.open(config.path(config.kms.database), config.kek())
    try:
        ledger = Ledger(database, master, config.domain, records.start(config.domain))

        def work(change: Change) -> None:
            if change.tables.master() is not None:
                raise ConfigError("this KMS has master secrets; they are never replaced")
            row = MasterRow(config.kms.uri, config.kms.key_period, config.kms.key_offset, master.export())
            change.tables.add_master(row, int(now))
            change.note(Entry(Act.CREATED, OPERATOR, config.kms.uri))

        await ledger.change(now, work)
    finally:
        await database.close()


async def note_restored(config: Configuration, now: float) -> None:
    """Say in the log of a restored database that it was restored.

    :raises ConfigError, StoreError, WrapError, ChainBroken: it cannot be used.
    """
    database = await Database.open(config.path(config.kms.database), config.kek())
    try:

        def read(connection: Connection) -> tuple[MasterRow | None, str | None]:
            tables = KmsTables(connection, database.wrapper)
            return tables.master(), tables.last_log_line()

        master, last = await database.transact(read)
        head = records.head_after(last, config.domain)
        if master is None:
            raise ConfigError("the backup has no master secrets: it is not that of a KMS")
        ledger = Ledger(database, KmsMasterKeys.from_secrets(master.secrets), config.domain, head)
        entry = Entry(Act.RESTORED, OPERATOR, master.kms_uri)
        await ledger.change(now, lambda change: change.note(entry))
    finally:
        await database.close()
