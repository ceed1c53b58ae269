"""``mcsec gms``: operate a GMS that runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mcsec.cli.admin import ask
from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(help="Operate a GMS.", no_args_is_help=True)

Group = Annotated[str, typer.Argument(metavar="GROUP", help="A group's ID.", show_default=False)]
ReasonOption = Annotated[str, typer.Option("--reason", help="Goes into the log.")]


def _call(config: Path, method: str, path: str, **options: Any) -> Any:
    from mcsec.gms.config import load

    configuration = load(config)
    socket = configuration.endpoint(configuration.gms.admin).file
    return ask(socket, f"mcsec run gms --config {config}", method, path, **options)


def _show(value: Any, as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo("\n".join(lines))


def _time(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


@app.command()
def status(config: ConfigOption, as_json: JsonOption = False) -> None:
    """What it is, how many groups it has, how far its log goes."""
    facts = _call(config, "GET", "/v1/status")
    lines = [
        f"{facts['gms_uri']} of {facts['domain']}",
        f"{facts['groups']} groups, {facts['temporary']} of them temporary",
        f"Release 13 mode: {', '.join(facts['release_13']) or 'no group'}",
        f"log: {facts['log']['length']} records, head {facts['log']['digest']}",
    ]
    _show(facts, as_json, lines)


@app.command()
def groups(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Every group with its flags and keys."""
    rows = _call(config, "GET", "/v1/groups")
    lines = []
    for row in rows:
        flags = [
            text
            for text, there in (
                ("DISABLED", row["disabled"]),
                ("media in clear", not row["protect_media"]),
                ("floor control in clear", not row["protect_floor"]),
                ("RELEASE 13", row["release_13"]),
                (f"until {_time(row['until'])}", row["until"] is not None),
            )
            if there
        ]
        lines.append(f"{row['group']}  {row['members']} members  {', '.join(flags)}".rstrip())
        lines += [
            f"    {key['key']}  {key['state']}  {key['holders']} were given it  expires {_time(key['expires'])}"
            for key in row["keys"]
        ]
    _show(rows, as_json, lines or ["no groups"])


@app.command()
def members(group: Group, config: ConfigOption, as_json: JsonOption = False) -> None:
    """The members of a group, and how far each key came to them."""
    rows = _call(config, "GET", "/v1/members", params={"group": group})
    lines = [
        f"{row['member']:40}  {', '.join(f'{key} {held}' for key, held in row['keys'].items()) or 'no key yet'}"
        for row in rows
    ]
    _show(rows, as_json, lines or ["no members"])


@app.command()
def put(
    file: Annotated[Path, typer.Argument(help="A group document.", exists=True, dir_okay=False)],
    config: ConfigOption,
    owner: Annotated[
        str, typer.Option("--owner", help="MC service ID that may change it from then on.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Make or change a group from a document in a file; its keys follow at once."""
    from mcsec.wire.groups import decode

    octets = file.read_bytes()
    body = {"group": decode(octets).uri, "document": octets.decode(), "owner": owner}
    answer = _call(config, "POST", "/v1/groups", json=body)
    _show(answer, as_json, [f"{answer['group']}: {'made' if answer['new'] else 'changed'}"])


@app.command()
def remove(group: Group, config: ConfigOption, as_json: JsonOption = False) -> None:
    """Remove a group and destroy its keys here; a temporary one ends."""
    answer = _call(config, "POST", "/v1/remove", json={"group": group})
    _show(answer, as_json, [f"{group}: removed"])


@app.command()
def rotate(
    group: Group,
    config: ConfigOption,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Revoke the keys of before: something happened.")
    ] = False,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Make new keys for a group."""
    body = {"group": group, "at_once": at_once, "reason": reason}
    answer = _call(config, "POST", "/v1/rotate", json=body)
    _show(answer, as_json, [f"{group}: {', '.join(answer['made'])}"])


@app.command("release-13")
def release_13(
    group: Group,
    state: Annotated[str, typer.Argument(help="on or off.", show_default=False)],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Switch the Release 13 way on or off for one group: an MKFC of this GMS for floor control on bearers."""
    if state not in ("on", "off"):
        raise typer.BadParameter("on or off")
    answer = _call(config, "POST", "/v1/release-13", json={"group": group, "on": state == "on"})
    _show(
        answer, as_json, [f"{group}: Release 13 mode {state}; keys: {', '.join(answer['kinds']) or 'none'}"]
    )


@app.command()
def regroup(
    group: Group,
    constituents: Annotated[list[str], typer.Argument(metavar="GROUP...", help="The groups it is made of.")],
    config: ConfigOption,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long it lasts.")] = 3600,
    as_json: JsonOption = False,
) -> None:
    """Make a temporary group of others; `mcsec gms remove` ends it before its time."""
    body = {"group": group, "constituents": constituents, "seconds": seconds}
    answer = _call(config, "POST", "/v1/regroup", json=body)
    _show(answer, as_json, [f"{group}: until {_time(answer['until'])} UTC"])


@app.command()
def log(
    config: ConfigOption,
    group: Annotated[str, typer.Option("--group", help="Only about this group.")] = "",
    after: Annotated[int, typer.Option("--after", help="From the record after this number.")] = -1,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 1000,
    verify: Annotated[bool, typer.Option("--verify", help="Check the whole chain instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Who changed which group, which keys were made, and who was given them."""
    if verify:
        head = _call(config, "POST", "/v1/log/verify")
        _show(head, as_json, [f"{head['length']} records hold; head {head['digest']}"])
        return
    wanted = {"after": after, "limit": limit} | ({"group": group} if group else {})
    rows = _call(config, "GET", "/v1/log", params=wanted)
    lines = [
        f"{row['sequence']:6}  {_time(row['time'] / 1e6)}  {row['act']:16}  {row['subject']}"
        f"  by {row['actor']}  {row['detail']}"
        for row in rows
    ]
    _show(rows, as_json, lines)
