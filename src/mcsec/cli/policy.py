"""``mcsec policy``: what documents would leave open, and what a server would send to whom, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcsec.cli.admin import ask
from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(
    help="What documents would leave open; what a server would send, and why.", no_args_is_help=True
)


@app.command("lint")
def lint(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Group documents, service configurations, a domain's mcsec.toml.",
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ],
    strict: Annotated[bool, typer.Option("--strict", help="Fail on what is weak, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what each FILE leaves open. Exit status 1 where something would go in clear, 0 otherwise."""
    from mcsec.inspect.policy import Severity, lint

    verdicts = {str(file): lint(file.read_bytes()) for file in files}
    failing = {Severity.OPEN, Severity.WEAK} if strict else {Severity.OPEN}
    passed = not any(
        finding.severity in failing for verdict in verdicts.values() for finding in verdict.findings
    )
    if as_json:
        print_json(
            {
                "passed": passed,
                "files": [
                    {
                        "file": name,
                        "kind": verdict.kind,
                        "findings": [one.to_dict() for one in verdict.findings],
                    }
                    for name, verdict in verdicts.items()
                ],
            }
        )
    else:
        for name, verdict in verdicts.items():
            typer.echo(f"{name}: {verdict.kind}")
            for one in verdict.findings:
                clause = f" [{one.clause}]" if one.clause else ""
                typer.echo(f"  {one.severity.upper():4}  {one.code}  {one.where}: {one.text}{clause}")
            if not verdict.findings:
                typer.echo("  nothing is open")
    if not passed:
        raise typer.Exit(1)


@app.command("explain")
def explain(
    group: Annotated[
        str, typer.Argument(help="The group ID, such as sip:rescue@b.example.", show_default=False)
    ],
    client: Annotated[
        str, typer.Argument(help="The MC service ID, such as sip:ann@a.example.", show_default=False)
    ],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """What the running server would send CLIENT in calls of GROUP: how, under which key, made by whom, and why."""
    from mcsec.server.config import Configuration

    socket = Configuration.load(config).admin.file
    start = f"mcsec run server --config {config}"
    rows = ask(socket, start, "GET", "/v1/policy", params={"group": group, "client": client})
    if as_json:
        print_json({"group": group, "client": client, "traffic": rows})
        return
    for row in rows:
        key = f" under {row['kind']} {row['key']}, made by {row['maker']}" if row["key"] else ""
        heard = ", which it says that it hears" if row["listening"] else ""
        typer.echo(f"{row['traffic']} ({row['about']}{heard}):")
        clause = f" [{row['clause']}]" if row["clause"] else ""
        typer.echo(f"  {row['way']}{key}: {row['why']} ({row['code']}){clause}")
        if row["hint"]:
            typer.echo(f"  hint: {row['hint']}")
