"""``mcsec kms``: operate a KMS. All but ``restore`` speak to one that runs."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from mcsec.cli.admin import call
from mcsec.cli.output import JsonOption, note, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(help="Operate a KMS.", no_args_is_help=True)
trust = typer.Typer(help="Partner KMSs.", no_args_is_help=True)
app.add_typer(trust, name="trust")

Identity = Annotated[
    str, typer.Argument(metavar="URI", help="MC service ID or server URI.", show_default=False)
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Goes into the log.")]
KeyOption = Annotated[Path, typer.Option("--key", help="File of the recovery key.", dir_okay=False)]


def _show(value: Any, as_json: bool, text: str) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo(text)


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


@app.command()
def status(config: ConfigOption, as_json: JsonOption = False) -> None:
    """What it is, how many keys it issued, how far its log goes."""
    facts = call(config, "GET", "/v1/status")
    lines = [
        f"{facts['kms_uri']} of {facts['domain']}",
        f"key period {facts['period']}, until {_time(facts['period_ends'])} UTC",
        f"{facts['issued']} key sets issued, {facts['revoked']} identities revoked, {facts['partners']} partners",
        f"protection {'on' if facts['protection'] else 'OFF'}",
        f"log: {facts['log']['length']} records, head {facts['log']['digest']}",
    ]
    _show(facts, as_json, "\n".join(lines))


@app.command()
def users(config: ConfigOption, after: str = "", limit: int = 1000, as_json: JsonOption = False) -> None:
    """Who has keys, and who is revoked."""
    rows = call(config, "GET", "/v1/users", params={"after": after, "limit": limit})
    lines = [
        f"{row['user']:40}  {row['periods']:4} periods{'  revoked' if row['revoked'] else ''}" for row in rows
    ]
    _show(rows, as_json, "\n".join(lines))


@app.command()
def revoke(
    identity: Identity,
    config: ConfigOption,
    reason: ReasonOption = "",
    undo: Annotated[bool, typer.Option("--undo", help="Lift it.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Refuse an identity from now on; its UIDs are listed in the certificate."""
    path = "/v1/reinstate" if undo else "/v1/revoke"
    answer = call(config, "POST", path, json={"identity": identity, "reason": reason})
    _show(answer, as_json, f"{identity}: {'reinstated' if undo else 'revoked'}")


@app.command()
def enrol(
    identity: Identity,
    config: ConfigOption,
    output: Annotated[Path, typer.Option("--output", "-o", help="Made with mode 0600.", dir_okay=False)],
    client: Annotated[str, typer.Option("--client", help="Which of the user's clients.")] = "",
) -> None:
    """Make a client's first transport and integrity keys, into a file for it."""
    import json

    answer = call(config, "POST", "/v1/enrol", json={"user": identity, "client_id": client})
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(answer, file)
    note(f"{output}: pair {answer['number']} of {identity}; carry it to the client, then delete it")


@app.command()
def forget(identity: Identity, config: ConfigOption, as_json: JsonOption = False) -> None:
    """Retire the transport keys of a user's clients: each may start anew, with a token."""
    answer = call(config, "POST", "/v1/forget", json={"user": identity})
    _show(answer, as_json, f"{identity}: {answer['retired']} pairs retired")


@app.command("rotate-trk")
def rotate_trk(
    config: ConfigOption,
    user: Annotated[str, typer.Option("--user", help="Only this user's clients.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Replace transport and integrity keys in the next answers."""
    answer = call(config, "POST", "/v1/rotate-trk", json={"user": user} if user else {})
    _show(answer, as_json, f"{answer['to_be_replaced']} pairs to be replaced")


@app.command()
def log(
    config: ConfigOption,
    identity: Annotated[str, typer.Option("--identity", help="Only about this identity.")] = "",
    after: Annotated[int, typer.Option("--after", help="From the record after this number.")] = -1,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 1000,
    verify: Annotated[bool, typer.Option("--verify", help="Check the whole chain instead.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Who got what, when, by which token and why."""
    if verify:
        head = call(config, "POST", "/v1/log/verify")
        _show(head, as_json, f"{head['length']} records hold; head {head['digest']}")
        return
    wanted = {"after": after, "limit": limit} | ({"identity": identity} if identity else {})
    rows = call(config, "GET", "/v1/log", params=wanted)
    lines = [
        f"{row['sequence']:6}  {_time(row['time'] / 1e6)}  {row['act']:20}  {row['identity']}"
        f"{'' if row['period'] < 0 else '  period ' + str(row['period'])}  by {row['actor']}  {row['reason']}"
        for row in rows
    ]
    _show(rows, as_json, "\n".join(lines))


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Must not exist.", show_default=False)],
    config: ConfigOption,
    key: KeyOption,
    as_json: JsonOption = False,
) -> None:
    """A sealed copy of everything. KEY, made where it is not there, is all that opens it: keep it elsewhere."""
    from mcsec.store.kek import create_kek_file

    if not key.exists():
        create_kek_file(key)
        note(f"{key}: new recovery key; keep it apart from the backup")
    body = {"target": str(file.absolute()), "key": f"file:{key.absolute()}"}
    answer = call(config, "POST", "/v1/backup", json=body)
    _show(answer, as_json, f"{answer['backup']}: opens with recovery key {answer['key']}")


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, show_default=False)],
    config: ConfigOption,
    key: KeyOption,
    as_json: JsonOption = False,
) -> None:
    """Put back a backup where there is no database, under the wrapping key of the configuration."""
    from mcsec.kms.config import load
    from mcsec.kms.create import note_restored
    from mcsec.store.backup import restore as put_back
    from mcsec.store.kek import Kek

    configuration = load(config)
    database = configuration.path(configuration.kms.database)
    asyncio.run(put_back(file, database, configuration.kek(), Kek.load(f"file:{key}")))
    asyncio.run(note_restored(configuration, time.time()))
    _show({"restored": str(database)}, as_json, f"{database}: restored")


@app.command()
def certificate(config: ConfigOption) -> None:
    """Print this KMS's certificate, for partners."""
    typer.echo(call(config, "GET", "/v1/certificate")["document"])


@trust.command("add")
def trust_add(
    file: Annotated[Path, typer.Argument(help="A KmsCertificate.", exists=True, dir_okay=False)],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Trust the KMS of a partner: clients get its certificate with the certificate cache."""
    answer = call(config, "POST", "/v1/trust", json={"document": file.read_text()})
    _show(answer, as_json, f"{answer['trusted']}: trusted")


@trust.command("list")
def trust_list(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Partners, their domains, validity and revocation."""
    rows = call(config, "GET", "/v1/trust")
    lines = [
        f"{row['kms_uri']:30}  {', '.join(row['domains'])}{'  revoked' if row['revoked'] else ''}"
        for row in rows
    ]
    _show(rows, as_json, "\n".join(lines))


@trust.command("revoke")
def trust_revoke(
    kms_uri: Annotated[str, typer.Argument(metavar="KMS-URI", show_default=False)],
    config: ConfigOption,
    reason: ReasonOption = "",
    as_json: JsonOption = False,
) -> None:
    """Trust a partner no more: its certificate is served as revoked."""
    answer = call(config, "POST", "/v1/distrust", json={"identity": kms_uri, "reason": reason})
    _show(answer, as_json, f"{kms_uri}: trusted no more")
