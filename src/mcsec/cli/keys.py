"""``mcsec keys``: the keys of an MCX server that runs."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from mcsec.cli.admin import ask
from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(help="The keys of an MCX server that runs.", no_args_is_help=True)
GroupOption = Annotated[
    list[str] | None,
    typer.Option("--group", help="The MuSiK of exactly these groups; none: the domain's default one."),
]
BearerOption = Annotated[
    str | None, typer.Option("--bearer", help="The MSCCK of the bearer with this TMGI instead.")
]
ClientOption = Annotated[
    list[str] | None, typer.Option("--client", help="The CSKs of these clients instead.")
]


def _call(config: Path, method: str, path: str, **options: Any) -> Any:
    from mcsec.server.config import Configuration

    socket = Configuration.load(config).admin.file
    return ask(socket, f"mcsec run server --config {config}", method, path, **options)


def _meant(groups: list[str] | None, bearer: str | None, clients: list[str] | None) -> dict[str, object]:
    if sum(map(bool, (groups, bearer, clients))) > 1:
        raise typer.BadParameter("one of --group, --bearer and --client")
    if bearer:
        return {"kind": "mscck", "names": [bearer]}
    return {"kind": "csk", "names": clients} if clients else {"kind": "musik", "names": groups or []}


@app.command("list")
def list_(config: ConfigOption, as_json: JsonOption = False) -> None:
    """All MuSiKs and MSCCKs: where each is in its life, who holds it, how far its delivery is."""
    found = _call(config, "GET", "/v1/keys")
    if as_json:
        print_json(found)
        return
    for row in found["keys"]:
        typer.echo(_line(row))
    offered = f", {found['csks_offered']} being replaced" if found["csks_offered"] else ""
    typer.echo(f"{found['csks']} clients with a CSK{offered}")


@app.command("plan")
def plan(
    config: ConfigOption,
    groups: GroupOption = None,
    bearer: BearerOption = None,
    clients: ClientOption = None,
    as_json: JsonOption = False,
) -> None:
    """What a rotation would take: messages, octets, seconds. Nothing changes."""
    meant = _meant(groups, bearer, clients)
    _print_plan(_call(config, "POST", "/v1/keys/plan", json=meant), as_json)


@app.command("rotate")
def rotate(
    config: ConfigOption,
    groups: GroupOption = None,
    bearer: BearerOption = None,
    clients: ClientOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make another key and distribute it; `keys list` shows how far that is.

    It is sent under when the listeners have it, or at the deadline of the plan.
    """
    meant = _meant(groups, bearer, clients)
    _print_plan(_call(config, "POST", "/v1/keys/rotate", json=meant), as_json)


@app.command("revoke")
def revoke(
    key_id: Annotated[
        str, typer.Argument(help="Eight hex digits, as `keys list` shows.", show_default=False)
    ],
    config: ConfigOption,
    reason: Annotated[str, typer.Option(help="Goes into the records.")] = "an operator revoked it",
    as_json: JsonOption = False,
) -> None:
    """Stop all use of a MuSiK or MSCCK at once, and tell its holders."""
    done = _call(config, "POST", "/v1/keys/revoke", json={"key_id": key_id, "reason": reason})
    if as_json:
        print_json(done)
    else:
        typer.echo(f"{key_id}: revoked")


def _print_plan(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    scope = " ".join(found["scope"]) or "everybody"
    typer.echo(f"{found['kind']} for {scope}")
    typer.echo(f"messages  {found['messages']:,}")
    typer.echo(f"octets    {found['octets']:,}")
    typer.echo(f"seconds   {found['seconds']:,.1f}, by {found['basis']}")
    typer.echo(f"switch    when all listeners have it, after {found['switch_by']:,.0f} s at the latest")


def _line(row: dict[str, Any]) -> str:
    scope = " ".join(row["scope"]) or "default"
    sent = row["deliveries"]
    listeners = row["listeners"]
    text = f"{row['kind']:<6} {row['key_id']} {row['state']:<9} {scope}"
    text += f"  held by {sent['held']:,} of {row['members']:,}"
    if row["seconds_left"]:
        text += f", about {row['seconds_left']:,.0f} s left"
    if sent["refused"] or sent["failed"]:
        text += f", {sent['refused']:,} refused, {sent['failed']:,} given up"
    if row["state"] == "active":
        text += f"; {listeners['broadcast']:,} listen, {listeners['unicast']:,} by unicast"
    if row["until"]:
        text += f"; for {max(0.0, row['until'] - time.time()):.0f} s more"
    return text
