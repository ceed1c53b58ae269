"""``mcsec demo``: the main job, with evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mcsec.cli.output import JsonOption, note, print_json


def demo(
    as_json: JsonOption = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where capture and key log go.", file_okay=False)
    ] = Path("mcsec-demo"),
    seed: Annotated[
        str | None,
        typer.Option(
            help="FOR TESTS ONLY, never where anything is to stay secret: keys, key IDs, SSRCs, addresses and ports "
            "come from this text, so that a run can be repeated and whoever knows it has every key. Two runs with "
            "one seed at a time hear each other.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Two MC domains, one protected broadcast over real multicast on loopback, and an adversary.

    Ends with PASS or FAIL for each claim and a table of evidence. Exit status 1 if any claim fails.
    """
    from mcsec.cli.report import demo_lines
    from mcsec.lab.demo import run

    def say(text: str) -> None:
        note(f"· {text}")

    report = asyncio.run(run(output, say, seed))
    if as_json:
        print_json(report.to_dict())
    else:
        for line in demo_lines(report):
            typer.echo(line)
    if not report.passed:
        raise typer.Exit(1)
