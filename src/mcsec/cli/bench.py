"""``mcsec bench``: measure on this machine, each figure beside its yardstick."""

from __future__ import annotations

from typing import Annotated

import typer

from mcsec.cli.output import JsonOption, note, print_json

app = typer.Typer(
    help="Measure; every figure beside the yardstick it was measured with.", no_args_is_help=True
)


@app.callback()
def _group() -> None:
    """Keep `bench crypto` a subcommand while there is only one."""


@app.command("crypto")
def crypto(
    as_json: JsonOption = False,
    rounds: Annotated[int, typer.Option(min=5, max=101, help="Rounds; the median counts.")] = 7,
) -> None:
    """SAKKE, ECCSI, MIKEY and SRTCP on one core, in ms and in m.

    One m is the time of one ``(a*b) % p`` with 1024-bit gmpy2 integers in the same run, which makes figures
    comparable between machines.
    """
    from mcsec.lab.bench.crypto import measure

    report = measure(rounds=rounds, progress=note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())
