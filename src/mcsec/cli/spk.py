"""``mcsec spk``: the keys that this MCX server shares with those of other domains."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

if TYPE_CHECKING:
    from mcsec.keys.key import Key
    from mcsec.server.config import Configuration

app = typer.Typer(help="Keys shared with the MCX servers of other domains (SPK).", no_args_is_help=True)


@app.command()
def new(
    config: ConfigOption,
    peer: Annotated[str, typer.Option("--peer", help="MDSI of the other server, such as mcx.b.example.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="For the other side; must not exist.", dir_okay=False)
    ],
) -> None:
    """Make an SPK, keep it, and write it for the other side, who takes it by `mcsec spk take`.

    The file holds the key in clear: carry it like a password, and delete it. Restart the server afterwards, ours last.
    """
    from mcsec.ids import PurposeTag
    from mcsec.keys import handover
    from mcsec.keys.key import Maker, Scope, make
    from mcsec.server.config import Configuration

    found = Configuration.load(config)
    maker = Maker(found.domain, found.mdsi)
    key = make(PurposeTag.SPK, scope=Scope.of(peer), maker=maker, now=time.time())
    handover.write(output, key, found.mdsi)
    _put(found, key)
    typer.echo(f"{key.key_id} is shared with {peer}, as soon as they have {output}")


@app.command()
def take(
    config: ConfigOption,
    file: Annotated[Path, typer.Argument(help="What the other side made.", dir_okay=False)],
) -> None:
    """Take an SPK that the other side made."""
    from mcsec.errors import LocalError
    from mcsec.keys import handover
    from mcsec.server.config import Configuration

    found = Configuration.load(config)
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise LocalError(f"{file}: {error.strerror}", code="keys.handover") from None
    key = handover.read(octets, found.mdsi)
    _put(found, key)
    typer.echo(f"{key.key_id} is shared with {key.scope}")


@app.command("list")
def show(config: ConfigOption, as_json: JsonOption = False) -> None:
    """The SPKs, without their octets."""
    from mcsec.server.config import Configuration

    rows = [
        {"peer": peer, "key_id": str(key.key_id), "maker": str(key.maker), "created": key.created}
        for peer, keys in _load(Configuration.load(config)).items()
        for key in keys
    ]
    if as_json:
        print_json({"spks": rows})
        return
    for row in rows:
        typer.echo(f"{row['key_id']}  {row['peer']}  made by {row['maker']}")


def _put(found: Configuration, key: Key) -> None:
    from mcsec.store.database import Database
    from mcsec.store.spks import put_spk

    async def put() -> None:
        database = await Database.open(found.store.address, found.kek())
        try:
            (peer,) = key.scope.names
            async with database.begin() as connection:
                await connection.run_sync(lambda sync: put_spk(sync, database.wrapper, peer, key))
        finally:
            await database.close()

    asyncio.run(put())


def _load(found: Configuration) -> dict[str, list[Key]]:
    from mcsec.store.database import Database
    from mcsec.store.spks import load_spks

    async def load() -> dict[str, list[Key]]:
        database = await Database.open(found.store.address, found.kek())
        try:
            async with database.read() as connection:
                return await connection.run_sync(lambda sync: load_spks(sync, database.wrapper))
        finally:
            await database.close()

    return asyncio.run(load())
