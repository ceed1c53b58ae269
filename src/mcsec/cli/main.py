"""``mcsec``: the command line. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import mcsec
from mcsec.cli import (
    audit,
    bearers,
    bench,
    bmsc,
    client,
    demo,
    digest,
    explain,
    gms,
    init,
    keys,
    kms,
    lab,
    policy,
    server,
    spk,
    store,
    token,
    vectors,
)
from mcsec.cli import run as run_entity
from mcsec.cli.output import log_to_stderr
from mcsec.errors import McsecError

app = typer.Typer(
    name="mcsec",
    help="Server-controlled signalling security over MBMS for 3GPP mission critical services.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("init")(init.init)
run_entity.app.command("server")(server.server)
app.add_typer(run_entity.app, name="run")
app.add_typer(kms.app, name="kms")
app.add_typer(gms.app, name="gms")
app.add_typer(bmsc.app, name="bmsc")
app.add_typer(bearers.app, name="bearers")
app.add_typer(keys.app, name="keys")
app.add_typer(policy.app, name="policy")
app.add_typer(token.app, name="token")
app.add_typer(spk.app, name="spk")
app.add_typer(client.app, name="client")
app.command("digest")(digest.digest)
app.add_typer(store.app, name="store")
app.add_typer(audit.app, name="audit")
app.command("backup")(store.backup)
app.command("restore")(store.restore)
app.command("demo")(demo.demo)
app.add_typer(lab.app, name="lab")
app.command("explain")(explain.explain)
app.add_typer(vectors.app, name="vectors")
app.add_typer(bench.app, name="bench")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcsec {mcsec.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options before the command."""
    log_to_stderr()


def run() -> None:
    """Entry point: an error of ours is one line on standard error and exit status 1, never a traceback."""
    try:
        app()
    except McsecError as error:
        print(f"mcsec: {error.describe()}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)
