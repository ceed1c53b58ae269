"""``mcsec audit``: provenance verified, its head signed, and what it says about a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from mcsec.store.config import StoreConfig
    from mcsec.store.wrapping import Wrapper

T = TypeVar("T")
app = typer.Typer(help="Prove who controlled which key.", no_args_is_help=True)

CheckpointOption = Annotated[
    list[Path] | None,
    typer.Option("--checkpoint", help="A checkpoint kept elsewhere, through which the chain must pass."),
]
SignerOption = Annotated[
    str, typer.Option("--signer", help="Public key (hex) that signed them; without it: the store's.")
]


@app.command()
def verify(
    config: ConfigOption,
    checkpoint: CheckpointOption = None,
    signer: SignerOption = "",
    as_json: JsonOption = False,
) -> None:
    """Check the whole chain, and that it passes through every checkpoint. Fails at the first record that is not so."""
    from mcsec.keys.checkpoint import Checkpoint
    from mcsec.store import audit, life
    from mcsec.store.witness import Witness

    def work(connection: Connection, wrapper: Wrapper, found: StoreConfig) -> dict[str, Any]:
        own = audit.signer(connection, wrapper).public_key().public_bytes_raw()
        lines = [(line, own) for line in audit.stored(connection)]
        lines += [
            (path.read_text().strip(), bytes.fromhex(signer) if signer else own) for path in checkpoint or ()
        ]
        known = [Checkpoint.read(line, by).head for line, by in lines]
        seen, present = Witness(found.seen).read(), life.begin(connection)
        if seen is not None and (seen.name, seen.restored) == (present.name, present.restored):
            known += [seen.head] if seen.head.length else []
        head = audit.verify(connection, found.domain, known)
        return {
            "domain": found.domain,
            "records": head.length,
            "head": head.digest.hex(),
            "checkpoints": len(lines),
            "restored": [{"time": one.time, "reason": one.reason} for one in life.history(connection)],
        }

    facts = _with_store(config, work)
    if as_json:
        print_json(facts)
        return
    typer.echo(
        f"{facts['records']} records of {facts['domain']} hold, through {facts['checkpoints']} checkpoints"
    )
    typer.echo(f"head {facts['head']}")
    for one in facts["restored"]:
        typer.echo(f"{_time(one['time'])}: {one['reason']}")


@app.command()
def checkpoint(
    config: ConfigOption,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Must not exist.", dir_okay=False)
    ] = None,
) -> None:
    """Verify the chain and sign its head, as one line: keep it where nobody who can change the store can change it."""
    from mcsec.keys.checkpoint import Checkpoint
    from mcsec.store import audit

    def work(connection: Connection, wrapper: Wrapper, found: StoreConfig) -> str:
        head = audit.verify(connection, found.domain)
        return Checkpoint.sign(found.domain, head, audit.signer(connection, wrapper), time.time())[1]

    line = _with_store(config, work)
    if output is None:
        typer.echo(line)
    else:
        with output.open("x") as file:
            file.write(line + "\n")


@app.command()
def report(
    config: ConfigOption,
    since: Annotated[str, typer.Option("--from", help="ISO 8601 time or date, UTC.")] = "",
    until: Annotated[str, typer.Option("--to", help="ISO 8601 time or date, UTC.")] = "",
    bearer: Annotated[str, typer.Option("--bearer", help="Only this TMGI.")] = "",
    group: Annotated[str, typer.Option("--group", help="Only this group.")] = "",
    client: Annotated[str, typer.Option("--client", help="Only keys that this MC service ID held.")] = "",
    as_json: JsonOption = False,
    as_html: Annotated[bool, typer.Option("--html", help="Print one HTML page.")] = False,
) -> None:
    """Which keys protected what, made by whom, held by whom; and the statement for MCSEC-1.X-1 with its records."""
    from mcsec.inspect import audit_page
    from mcsec.keys.report import Asked
    from mcsec.keys.report import report as make
    from mcsec.store import audit

    asked = Asked(
        _seconds(since, "--from", Asked().since),
        _seconds(until, "--to", Asked().until),
        bearer,
        group,
        client,
    )

    def work(connection: Connection, wrapper: Wrapper, found: StoreConfig) -> dict[str, Any]:
        # What does not hold is worth no report.
        head = audit.verify(connection, found.domain)
        return audit_page.plain(make(audit.records(connection), found.domain, asked), head)

    facts = _with_store(config, work)
    if as_json:
        print_json(facts)
    elif as_html:
        typer.echo(audit_page.html(facts))
    else:
        typer.echo(audit_page.text(facts))


def _with_store(config: Path, work: Callable[[Connection, Wrapper, StoreConfig], T]) -> T:
    from mcsec.store.config import load
    from mcsec.store.database import Database

    found = load(config)

    async def run() -> T:
        database = await Database.open(found.address, found.kek(), read_only=True)
        try:
            async with database.read() as connection:
                return await connection.run_sync(work, database.wrapper, found)
        finally:
            await database.close()

    return asyncio.run(run())


def _seconds(text: str, name: str, default: float) -> float:
    if not text:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO 8601 time", param_hint=name) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
