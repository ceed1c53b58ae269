"""``mcsec vectors``: interoperability vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcsec.cli.output import JsonOption, print_json

app = typer.Typer(help="Interoperability vectors.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `vectors check` a subcommand while there is only one."""


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="A file of format mcsec-vectors/1.", show_default=False)],
    as_json: JsonOption = False,
) -> None:
    """Run every case of FILE: each failure with both values, then the count.

    Exit status 0 only when none failed and at least one ran.
    """
    from mcsec.inspect.vectors import check_file

    report = check_file(file)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())
    if not report.passed:
        raise typer.Exit(1)
