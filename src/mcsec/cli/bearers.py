"""``mcsec bearers``: the MBMS bearers of an MCX server that runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from mcsec.cli.admin import ask
from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(help="The MBMS bearers of an MCX server that runs.", no_args_is_help=True)
NameArgument = Annotated[str, typer.Argument(help="The bearer's name.", show_default=False)]


def _call(config: Path, method: str, path: str) -> Any:
    from mcsec.server.config import Configuration

    socket = Configuration.load(config).admin.file
    return ask(socket, f"mcsec run server --config {config}", method, path)


@app.command("list")
def list_(config: ConfigOption, as_json: JsonOption = False) -> None:
    """All bearers: state, TMGI, service areas, who listens."""
    found = _call(config, "GET", "/v1/bearers")
    if as_json:
        print_json(found)
        return
    for host, state in found["peers"].items():
        typer.echo(f"MB2-C to {host}: {state}")
    for row in found["bearers"]:
        typer.echo(_line(row))
    if not found["bearers"]:
        typer.echo("no bearers")


@app.command("show")
def show(name: NameArgument, config: ConfigOption, as_json: JsonOption = False) -> None:
    """Everything about one bearer."""
    row = _call(config, "GET", f"/v1/bearers/{quote(name, safe='')}")
    if as_json:
        print_json(row)
        return
    expiry = row["tmgi_expiry"]
    sent = row["sent"]
    facts = {
        "state": f"{row['state']}: {row['meaning']}",
        "kind": row["kind"],
        "TMGI": row["tmgi"] or "-",
        "expires": "-" if expiry is None else f"in {max(0, expiry - time.time()):.0f} s",
        "flow": "-" if row["flow"] is None else row["flow"],
        "areas": ", ".join(map(str, row["areas"])),
        "QoS": f"QCI {row['qci']}, priority {row['priority']}",
        "announced": f"{row['address']} port {row['port']}, to {', '.join(row['groups']) or 'everybody'}",
        "BM-SC": row["bmsc"] or "-",
        "MB2-U": row["mb2u"] or "-",
        "listeners": row["listeners"],
        "sent": f"{sent['packets']} packets, {sent['octets']} octets, {sent['dropped']} dropped",
        "reason": row["reason"] or "-",
    }
    for what, value in facts.items():
        typer.echo(f"{what:<10} {value}")


@app.command("drop")
def drop(name: NameArgument, config: ConfigOption, as_json: JsonOption = False) -> None:
    """Give a bearer up: its listeners go to unicast first. It comes again when the server starts again."""
    row = _call(config, "DELETE", f"/v1/bearers/{quote(name, safe='')}")
    if as_json:
        print_json(row)
    else:
        typer.echo(f"{name}: {row['state']}")


def _line(row: dict[str, Any]) -> str:
    areas = ",".join(map(str, row["areas"]))
    text = f"{row['name']:<16} {row['state']:<12} TMGI {row['tmgi'] or '-'}  areas {areas}"
    text += f"  {row['listeners']} listening"
    return f"{text}  ({row['reason']})" if row["reason"] else text
