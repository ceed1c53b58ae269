"""``mcsec lab``: several entities on this machine, as a file says."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcsec.cli.output import JsonOption, note, print_json

if TYPE_CHECKING:
    from mcsec.lab.claims import DemoReport

app = typer.Typer(help="Play scenarios: whole domains on this machine.", no_args_is_help=True)

FileArgument = Annotated[
    Path, typer.Argument(help="A scenario (docs/scenarios.md).", dir_okay=False, show_default=False)
]


@app.command("run")
def run(
    file: FileArgument,
    as_json: JsonOption = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where capture and key log go.", file_okay=False)
    ] = Path("mcsec-lab"),
) -> None:
    """Play a scenario: domains with all their entities on loopback, calls, audio, and what goes wrong on purpose.

    Ends with PASS or FAIL for each claim. Exit status 1 if any claim fails.
    """
    from mcsec.lab.scenario.format import read
    from mcsec.lab.scenario.play import play

    scenario = read(file)
    told(asyncio.run(play(scenario, file.parent, output, say)), as_json)


@app.command("check")
def check(file: FileArgument, as_json: JsonOption = False) -> None:
    """Say whether a scenario can be played, without playing it; every mistake is named with its place."""
    from mcsec.lab.scenario.format import read

    scenario = read(file)
    facts = {
        "title": scenario.title,
        "domains": len(scenario.domains),
        "clients": len(scenario.clients),
        "groups": len(scenario.groups),
        "steps": len(scenario.steps),
    }
    if as_json:
        print_json(facts)
        return
    counted = ", ".join(f"{facts[name]} {name}" for name in ("domains", "clients", "groups", "steps"))
    typer.echo(f"{scenario.title}: {counted}")


def say(text: str) -> None:
    """One step, for people."""
    note(f"· {text}")


def told(report: DemoReport, as_json: bool) -> None:
    """Prints a report; exit status 1 if a claim failed."""
    from mcsec.cli.report import demo_lines

    if as_json:
        print_json(report.to_dict())
    else:
        for line in demo_lines(report):
            typer.echo(line)
    if not report.passed:
        raise typer.Exit(1)
