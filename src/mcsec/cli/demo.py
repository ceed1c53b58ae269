"""``mcsec demo``: the main job, with evidence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from mcsec.cli.lab import say, told
from mcsec.cli.output import JsonOption


def demo(
    as_json: JsonOption = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where captures and key logs go.", file_okay=False)
    ] = Path("mcsec-demo"),
    quick: Annotated[
        bool, typer.Option("--quick", help="Only keys, one broadcast and the adversary; under 20 seconds.")
    ] = False,
    seed: Annotated[
        str | None,
        typer.Option(
            help="FOR TESTS ONLY, never where anything is to stay secret, and with --quick: keys, key IDs, SSRCs, "
            "addresses and ports come from this text, so that a run can be repeated and whoever knows it has every "
            "key. Two runs with one seed at a time hear each other.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Two MC domains, a group call over a protected bearer with real audio, what may go wrong, and an adversary.

    Ends with PASS or FAIL for each claim and a table of evidence. Exit status 1 if any claim fails.
    """
    from mcsec.lab import demo as story
    from mcsec.lab import main_job

    if seed is not None and not quick:
        raise typer.BadParameter("goes with --quick", param_hint="--seed")
    told(asyncio.run(story.run(output, say, seed) if quick else main_job.run(output, say)), as_json)
