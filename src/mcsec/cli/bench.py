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


@app.command("kms")
def kms(
    as_json: JsonOption = False,
    requests: Annotated[int, typer.Option(min=100, max=20_000, help="Requests in a round.")] = 1000,
    identities: Annotated[
        int,
        typer.Option(min=0, max=1_000_000, help="Provision so many before, to see what memory they take."),
    ] = 0,
) -> None:
    """A KMS in a process of its own, over TLS: requests for each second of one core, and a plain route beside."""
    from mcsec.lab.bench.kms import measure

    report = measure(requests, identities, note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())


@app.command("sip")
def sip(
    as_json: JsonOption = False,
    clients: Annotated[int, typer.Option(min=100, max=1_000_000, help="Clients that get a key.")] = 5000,
    messages: Annotated[int, typer.Option(min=0, max=1_000_000, help="MESSAGEs by each transport.")] = 20_000,
) -> None:
    """SIP on one core: MESSAGEs by UDP, TCP and TLS, and key download beside SAKKE encapsulation alone."""
    from mcsec.lab.bench.sip import measure

    report = measure(clients, messages, note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())


@app.command("rotate")
def rotate(
    as_json: JsonOption = False,
    clients: Annotated[int, typer.Option(min=100, max=1_000_000, help="Clients that are rekeyed.")] = 10_000,
    database: Annotated[
        str, typer.Option(help="postgresql://USER@HOST/NAME, an empty one; without it SQLite.")
    ] = "",
) -> None:
    """A rotation end to end beside SAKKE encapsulation alone, its forecast, and a start with that store."""
    from mcsec.lab.bench.rotate import measure

    report = measure(clients, database, note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())


@app.command("mb2")
def mb2(
    as_json: JsonOption = False,
    requests: Annotated[int, typer.Option(min=32, max=100_000, help="Requests in a round.")] = 6000,
    rounds: Annotated[int, typer.Option(min=1, max=101, help="Rounds; the median counts.")] = 3,
) -> None:
    """MB2-C between two processes, and packets through MB2-U: for each second, and for however many listen."""
    from mcsec.lab.bench.mb2 import measure

    report = measure(requests, rounds, note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())


@app.command("floor")
def floor(
    as_json: JsonOption = False,
    members: Annotated[int, typer.Option(min=8, max=2000, help="Clients, half in each domain.")] = 200,
    groups: Annotated[int, typer.Option(min=1, max=100, help="Calls that they are in.")] = 10,
    requests: Annotated[int, typer.Option(min=10, max=100_000, help="Requests for the floor.")] = 400,
    calls: Annotated[int, typer.Option(min=1, max=1500, help="Calls in one process.")] = 1000,
) -> None:
    """Floor control between two domains: time until granted and until heard on a bearer, cost whoever listens."""
    from mcsec.lab.bench.floor import measure

    report = measure(members, groups, requests, calls, note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())


@app.command("soak")
def soak(
    as_json: JsonOption = False,
    clients: Annotated[int, typer.Option(min=1, max=1_000_000, help="Simulated clients.")] = 1000,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that play them.")] = 2,
) -> None:
    """Clients by the thousand register, affiliate, get a key and the next one, and leave; everyone is accounted for.

    Exit status 1 when client, server and store do not say the same of everybody. A client takes about 80 ms of a core:
    its keys are kept small, and open slowly.
    """
    from mcsec.lab.soak.run import run

    report = run(clients, processes, note)
    if as_json:
        print_json(report.to_dict())
    else:
        print(report.to_text())
