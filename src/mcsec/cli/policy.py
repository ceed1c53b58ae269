"""``mcsec policy``: what documents would leave open."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcsec.cli.output import JsonOption, print_json

app = typer.Typer(help="What documents would leave open.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `policy lint` a subcommand while there is only one."""


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
