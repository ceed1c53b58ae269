"""``mcsec init``: a domain's directory, ready to run."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

from mcsec.cli.output import JsonOption, note, print_json


def init(
    directory: Annotated[
        Path, typer.Argument(help="Made where it is not there; must be empty.", show_default=False)
    ],
    domain: Annotated[str, typer.Option("--domain", help="Name of the MC domain, such as a.example.")],
    as_json: JsonOption = False,
) -> None:
    """Make a domain: DIR/mcsec.toml, a wrapping key, a development CA with certificates, and master secrets.

    What is made here identifies the domain for ever: keep DIR/kek apart from backups of the rest.
    """
    from mcsec.lab.init import make_domain

    made = asyncio.run(make_domain(directory, domain, time.time()))
    if as_json:
        print_json(made)
        return
    for name, what in made["files"].items():
        typer.echo(f"{name:24}  {what}")
    note(
        f"next, each in a terminal of its own: mcsec run kms|gms|bmsc|server --config {directory / 'mcsec.toml'}"
    )
