"""``mcsec bmsc``: operate a BM-SC emulator that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcsec.cli.admin import ask
from mcsec.cli.output import JsonOption, print_json
from mcsec.cli.run import ConfigOption

app = typer.Typer(help="Operate a BM-SC emulator.", no_args_is_help=True)
fault = typer.Typer(help="Faults that it plays.", no_args_is_help=True)
app.add_typer(fault, name="fault")


def _call(config: Path, method: str, path: str, **options: Any) -> Any:
    from mcsec.bmsc.config import load
    from mcsec.bmsc.running import admin_endpoint

    socket = admin_endpoint(load(config), config.parent.absolute()).file
    return ask(socket, f"mcsec run bmsc --config {config}", method, path, **options)


def _show(value: Any, as_json: bool, lines: list[str]) -> None:
    if as_json:
        print_json(value)
    else:
        typer.echo("\n".join(lines))


@app.command()
def status(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Its peers, TMGIs, bearers and counters."""
    facts = _call(config, "GET", "/v1/status")
    lines = [f"{facts['host']}, restart counter {facts['restart_counter']}"]
    lines += [f"peer   {host}  {state}" for host, state in facts["peers"].items()]
    lines += [f"TMGI   {row['tmgi']}  of {row['host']}" for row in facts["tmgis"]]
    lines += [
        f"bearer {row['tmgi']} flow {row['flow']}  {row['state']}  MB2-U port {row['port']}  areas {row['areas']}"
        for row in facts["bearers"]
    ]
    lines += [f"cell   {_cell_text(row)}" for row in facts["cells"]]
    lines += [f"fault  {_fault_text(row)}" for row in facts["faults"]]
    lines += [f"count  {name}  {number}" for name, number in facts["counters"].items()]
    _show(facts, as_json, lines)


@app.command()
def restart(
    config: ConfigOption,
    keep_state: Annotated[bool, typer.Option("--keep-state", help="TMGIs and bearers survive.")] = False,
    abruptly: Annotated[bool, typer.Option("--abruptly", help="Without good-bye to its peers.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Go away and come back; without state the Restart-Counter grows."""
    answer = _call(config, "POST", "/v1/restart", json={"keep_state": keep_state, "abruptly": abruptly})
    _show(answer, as_json, [f"restarted; restart counter {answer['restart_counter']}"])


@app.command("end")
def end(
    tmgi: Annotated[str, typer.Argument(help="As `mcsec bmsc status` shows it.", show_default=False)],
    config: ConfigOption,
    flow: Annotated[int | None, typer.Option("--flow", help="Where the TMGI has several bearers.")] = None,
    diagnostic: Annotated[str, typer.Option("--diagnostic", help="Why.")] = "MBMS_GW_PERMANENT_ERROR",
    as_json: JsonOption = False,
) -> None:
    """The network loses a bearer; its server is notified."""
    row = _call(
        config, "POST", "/v1/bearers/end", json={"tmgi": tmgi, "flow": flow, "diagnostic": diagnostic}
    )
    _show(row, as_json, [f"ended: {row['tmgi']} flow {row['flow']}, of {row['host']}"])


@app.command("cover")
def cover(
    cell: Annotated[str, typer.Argument(help="A cell's name.", show_default=False)],
    config: ConfigOption,
    covered: Annotated[bool, typer.Option("--on/--off", help="Whether it sends.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Switch a cell off or on. Nobody is notified: only its listeners notice."""
    from urllib.parse import quote

    rows = _call(config, "POST", f"/v1/cells/{quote(cell, safe='')}", json={"covered": covered})
    _show(rows, as_json, [_cell_text(row) for row in rows])


@fault.command("add")
def fault_add(
    operation: Annotated[
        str,
        typer.Argument(help="allocate, deallocate, start, update, stop or heartbeat.", show_default=False),
    ],
    outcome: Annotated[
        str, typer.Argument(help="refuse, fail, delay, silence or fail-activation.", show_default=False)
    ],
    config: ConfigOption,
    bits: Annotated[
        list[str] | None, typer.Option("--bit", help="Result bit to refuse with, such as unknown-tmgi.")
    ] = None,
    result_code: Annotated[int, typer.Option("--result-code", help="Of Diameter, for fail.")] = 5012,
    seconds: Annotated[float, typer.Option("--seconds", help="For delay and fail-activation.")] = 1.0,
    diagnostic: Annotated[
        str, typer.Option("--diagnostic", help="Why an activation fails.")
    ] = "MBMS_GW_NOT_ESTABLISHMENT",
    host: Annotated[str | None, typer.Option("--host", help="Only requests of this server.")] = None,
    times: Annotated[int, typer.Option("--times", min=0, help="How often; 0: always.")] = 1,
    after: Annotated[int, typer.Option("--after", min=0, help="Spare so many requests first.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Play a fault at the next request that fits."""
    body = {
        "operation": operation,
        "outcome": outcome,
        "bits": bits or [],
        "result_code": result_code,
        "seconds": seconds,
        "diagnostic": diagnostic,
        "host": host,
        "times": times,
        "after": after,
    }
    rows = _call(config, "POST", "/v1/faults", json=body)
    _show(rows, as_json, [_fault_text(row) for row in rows])


@fault.command("list")
def fault_list(config: ConfigOption, as_json: JsonOption = False) -> None:
    """The faults in order; the first that fits comes true."""
    rows = _call(config, "GET", "/v1/faults")
    _show(rows, as_json, [_fault_text(row) for row in rows] or ["no faults"])


@fault.command("clear")
def fault_clear(config: ConfigOption, as_json: JsonOption = False) -> None:
    """No more faults."""
    answer = _call(config, "DELETE", "/v1/faults")
    _show(answer, as_json, [f"{answer['cleared']} faults cleared"])


def _cell_text(row: dict[str, Any]) -> str:
    return f"{row['name']}  areas {row['areas']}  {'sends' if row['covered'] else 'is off'}"


def _fault_text(row: dict[str, Any]) -> str:
    left = "always" if row["left"] is None else f"{row['left']} more times"
    known = ("operation", "outcome", "left")
    rest = " ".join(f"{name}={value}" for name, value in row.items() if name not in known)
    return f"{row['operation']} {row['outcome']}  {left}  {rest}"
