"""A KMS made from nothing, once: master secrets, wrapped, in a fresh database, and the first record of its log."""

from __future__ import annotations

from mcsec.crypto.kms_keys import KmsMasterKeys
from mcsec.kms import records
from mcsec.kms.config import ConfigError, Configuration
from mcsec.kms.ledger import Ledger
from mcsec.kms.operations import OPERATOR
from mcsec.kms.records import Act, Entry
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
        async with database.read() as connection:
            if await KmsTables(connection, database.wrapper).master() is not None:
                raise ConfigError("this KMS has master secrets; they are never replaced")
        ledger = Ledger(database, master, config.domain, records.start(config.domain))
        async with ledger.change(now) as change:
            row = MasterRow(config.kms.uri, config.kms.key_period, config.kms.key_offset, master.export())
            await change.tables.add_master(row, int(now))
            change.note(Entry(Act.CREATED, OPERATOR, config.kms.uri))
    finally:
        await database.close()


async def note_restored(config: Configuration, now: float) -> None:
    """Say in the log of a restored database that it was restored.

    :raises ConfigError, StoreError, WrapError, ChainBroken: it cannot be used.
    """
    database = await Database.open(config.path(config.kms.database), config.kek())
    try:
        async with database.read() as connection:
            tables = KmsTables(connection, database.wrapper)
            master = await tables.master()
            head = records.head_after(await tables.last_log_line(), config.domain)
        if master is None:
            raise ConfigError("the backup has no master secrets: it is not that of a KMS")
        ledger = Ledger(database, KmsMasterKeys.from_secrets(master.secrets), config.domain, head)
        async with ledger.change(now) as change:
            change.note(Entry(Act.RESTORED, OPERATOR, master.kms_uri))
    finally:
        await database.close()
