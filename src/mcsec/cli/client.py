"""``mcsec client``: MC clients against a real server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcsec.cli.output import note

if TYPE_CHECKING:
    from mcsec.client.run import Tally
    from mcsec.keys.events import Event

app = typer.Typer(help="MC clients: register, get keys, listen.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", help="TOML file of the client.", dir_okay=False, show_default=False)
]
CountOption = Annotated[
    int,
    typer.Option(
        "--count", min=1, max=100_000, help="So many clients, numbered by {n} in the configuration."
    ),
]
LinesOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line, the last a summary.")
]


@app.command("register")
def register(config: ConfigOption, count: CountOption = 1, as_json: LinesOption = False) -> None:
    """Register, get the service authorised, affiliate, tell what happened, and log off again.

    Exit status 1 if a client did not get that far.
    """
    asyncio.run(_run(config, count, as_json, 0.0))


@app.command("listen")
def listen(
    config: ConfigOption,
    count: CountOption = 1,
    as_json: LinesOption = False,
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Stop after so long; by default at SIGINT or SIGTERM.")
    ] = None,
) -> None:
    """Stay logged on and print what happens: keys, bearers, calls, the floor.

    Exit status 1 if a client did not get on.
    """
    asyncio.run(_run(config, count, as_json, seconds))


async def _run(config: Path, count: int, as_json: bool, seconds: float | None) -> None:
    from mcsec.client.config import Configuration
    from mcsec.client.events import MediaHeard, PacketDropped
    from mcsec.client.run import logged_on
    from mcsec.net.https import stopping

    stop = stopping()
    say = _json_line if as_json else _line

    def heard(user: str, event: Event) -> None:
        # Packets come by the thousand; the summary counts them.
        if count == 1 and not isinstance(event, (MediaHeard, PacketDropped)):
            say({"client": user, **event.describe()})

    async with logged_on(Configuration.load(config), count, heard) as tally:
        say({"event": "Ready", "clients": tally.clients, "logged_on": tally.logged_on})
        if tally.logged_on:
            try:
                async with asyncio.timeout(seconds):
                    await stop.wait()
            except TimeoutError:
                pass
    _finish(tally, say, as_json)


def _finish(tally: Tally, say: Callable[[dict[str, Any]], None], as_json: bool) -> None:
    if as_json:
        say({"event": "Summary", **tally.to_dict()})
    for error in tally.failures:
        note(f"mcsec: {error.describe()}")
    if tally.logged_on < tally.clients:
        raise typer.Exit(1)


def _json_line(plain: dict[str, Any]) -> None:
    json.dump(plain, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def _line(plain: dict[str, Any]) -> None:
    rest = {name: value for name, value in plain.items() if name not in ("event", "now", "client")}
    typer.echo(" ".join([str(plain["event"]), *(f"{name}={value}" for name, value in rest.items())]))
