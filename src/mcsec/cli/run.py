"""``mcsec run``: one functional entity in this process, until SIGTERM."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Run one functional entity until SIGTERM.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", help="DIR/mcsec.toml of a domain.", dir_okay=False, show_default=False)
]


@app.callback()
def _group() -> None:
    """Keep `run kms` a subcommand while there is only one."""


@app.command("kms")
def kms(config: ConfigOption) -> None:
    """Run the KMS. Prints its HTTPS address on one line when it is ready to serve; logs on standard error."""
    from mcsec.net.https import run

    run(_kms(config))


@app.command("bmsc")
def bmsc(config: ConfigOption) -> None:
    """Run the BM-SC emulator. Prints its Diameter addresses on one line when it is ready; events on standard error."""
    asyncio.run(_bmsc(config))


@app.command("gms")
def gms(config: ConfigOption) -> None:
    """Run the GMS. Prints its HTTPS address on one line when it is ready to serve; logs on standard error."""
    asyncio.run(_gms(config))


async def _gms(config: Path) -> None:
    from mcsec.gms.config import load
    from mcsec.gms.observe import Observer
    from mcsec.gms.service import running
    from mcsec.net.https import stopping

    stop = stopping()
    async with running(load(config), Observer(), time.time()) as service:
        print(service.address, flush=True)
        await stop.wait()


async def _bmsc(config: Path) -> None:
    from mcsec.bmsc.running import running
    from mcsec.cli.output import log
    from mcsec.net.https import stopping

    stop = stopping()
    async with running(config, log) as addresses:
        print(" ".join(addresses), flush=True)
        await stop.wait()


async def _kms(config: Path) -> None:
    from mcsec.kms.config import load
    from mcsec.kms.observe import Observer
    from mcsec.kms.service import running
    from mcsec.net.https import stopping

    stop = stopping()
    async with running(load(config), Observer(), time.time()) as service:
        print(service.address, flush=True)
        await stop.wait()
