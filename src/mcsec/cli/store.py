"""``mcsec store``, ``mcsec backup`` and ``mcsec restore``: where a domain's stores are, and what becomes of them."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from mcsec.cli.output import JsonOption, note, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(help="Look after the stores of a domain.", no_args_is_help=True)


class Entity(StrEnum):
    """Whose store."""

    SERVER = "server"
    KMS = "kms"
    GMS = "gms"


EntityOption = Annotated[Entity, typer.Option("--entity", help="Whose store.")]
KeyOption = Annotated[Path, typer.Option("--key", help="File of the recovery key.", dir_okay=False)]


def _show(value: Any, as_json: bool, text: str) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo(text)


@app.command()
def status(config: ConfigOption, entity: EntityOption = Entity.SERVER, as_json: JsonOption = False) -> None:
    """Where the store is, which schema it has, what it holds, how often it was restored, which servers share it."""
    facts = asyncio.run(_status(config, entity))
    lines = [f"{facts['store']}: schema {facts['schema'] or 'none'}, this program's is {facts['program']}"]
    lines += [f"  {number:9} {table}" for table, number in facts["rows"].items() if number]
    lines += [f"  restored {found['reason']}" for found in facts["restored"]]
    lines += [f"  {one['place']}: {one['task']}, {one['delivered']:,} keys taken" for one in facts["nodes"]]
    _show(facts, as_json, "\n".join(lines))


async def _status(config: Path, entity: Entity) -> dict[str, Any]:
    from sqlalchemy import Connection, func, select

    from mcsec.store import life, nodes, schema
    from mcsec.store.config import load
    from mcsec.store.database import Database
    from mcsec.store.tables import metadata

    where = load(config, entity).address
    database = await Database.reach(where, read_only=True)

    def look(connection: Connection) -> dict[str, Any]:
        found = schema.version(connection)
        known = found == schema.CURRENT
        return {
            "store": str(where),
            "schema": found,
            "program": schema.CURRENT,
            "rows": {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in (metadata.sorted_tables if known else ())
            },
            "restored": [
                {"time": one.time, "reason": one.reason}
                for one in (life.history(connection) if known else ())
            ],
            "nodes": [
                {"place": one.place, "task": one.task.value, "since": one.since, "delivered": one.delivered}
                for one in (nodes.there(connection) if known else ())
            ],
        }

    try:
        async with database.read() as connection:
            return await connection.run_sync(look)
    finally:
        await database.close()


@app.command()
def upgrade(config: ConfigOption, entity: EntityOption = Entity.SERVER, as_json: JsonOption = False) -> None:
    """Bring a store up to this program's schema, or make an empty one. Stop what uses it, and make a backup first."""

    async def work() -> tuple[str | None, str]:
        from mcsec.store import schema
        from mcsec.store.config import load
        from mcsec.store.database import Database

        database = await Database.reach(load(config, entity).address)
        try:
            return await database.transact(schema.upgrade)
        finally:
            await database.close()

    before, after = asyncio.run(work())
    text = f"schema {after} already" if before == after else f"schema {before or 'none'} became {after}"
    _show({"before": before, "after": after}, as_json, text)


@app.command()
def copy(
    target: Annotated[str, typer.Argument(metavar="URL", help="postgresql://... or sqlite:PATH, empty.")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Copy the servers' store into another database, as it is; then set `[store] url` to it. Stop the server first."""

    async def work() -> dict[str, int]:
        from mcsec.store.address import Address
        from mcsec.store.config import load
        from mcsec.store.database import Database
        from mcsec.store.moving import copy as carry

        source = await Database.reach(load(config).address)
        try:
            there = await Database.reach(Address.parse(target, Path.cwd()))
            try:
                return await carry(source, there)
            finally:
                await there.close()
        finally:
            await source.close()

    rows = asyncio.run(work())
    _show({"rows": rows}, as_json, f"{sum(rows.values())} rows in {len(rows)} tables copied")
    note("now set [store] url to it, and delete the old store: never start a server on both")


@app.command()
def rekey(
    to: Annotated[
        str, typer.Option("--to", help="file:PATH (made where it is not there), or another source.")
    ],
    config: ConfigOption,
    entity: EntityOption = Entity.SERVER,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="A new data key too, for what is written later.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Wrap everything under another wrapping key; then name that key in the configuration."""

    async def work() -> tuple[int, str]:
        from mcsec.store.config import load
        from mcsec.store.database import Database
        from mcsec.store.kek import Kek, create_kek_file
        from mcsec.store.rekey import rekey as wrap_anew

        found = load(config, entity)
        kind, _, name = to.partition(":")
        if kind == "file" and not (found.directory / name).exists():
            create_kek_file(found.directory / name)
        new = Kek.load(to, directory=found.directory)
        database = await Database.reach(found.address)
        try:
            return await wrap_anew(database, found.kek(), new, fresh=fresh), new.id
        finally:
            await database.close()

    number, name = asyncio.run(work())
    _show(
        {"data_keys": number, "wrapping_key": name}, as_json, f"{number} data keys under wrapping key {name}"
    )
    note(f"now set kek = {to!r} in the configuration, and destroy the old wrapping key")


def backup(
    file: Annotated[Path, typer.Argument(help="Must not exist.", show_default=False)],
    config: ConfigOption,
    key: KeyOption,
    entity: EntityOption = Entity.SERVER,
    as_json: JsonOption = False,
) -> None:
    """A sealed copy of a store, as it is at one moment, while it is used. KEY alone opens it: keep it elsewhere."""
    from mcsec.store.backup import write
    from mcsec.store.config import load
    from mcsec.store.kek import Kek, create_kek_file

    if not key.exists():
        create_kek_file(key)
        note(f"{key}: new recovery key; keep it apart from the backup")
    found, recovery = load(config, entity), Kek.load(f"file:{key}")
    asyncio.run(write(found.address, file.absolute(), found.kek(), recovery))
    _show(
        {"backup": str(file), "key": recovery.id}, as_json, f"{file}: opens with recovery key {recovery.id}"
    )


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)],
    config: ConfigOption,
    key: KeyOption,
    as_json: JsonOption = False,
) -> None:
    """Put a server's backup back where there is no store. The next start replaces every key that was sent under."""
    from mcsec.store.backup import restore as put_back
    from mcsec.store.config import load
    from mcsec.store.kek import Kek

    found = load(config)
    asyncio.run(put_back(file.absolute(), found.address, found.kek(), Kek.load(f"file:{key}")))
    _show({"restored": str(found.address)}, as_json, f"{found.address}: restored")
