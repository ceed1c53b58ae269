"""``mcsec token``: the domain's own issuer of access tokens."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from mcsec.cli.run import ConfigOption

app = typer.Typer(help="Access tokens of the domain's own issuer.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `token issue` a subcommand while there is only one."""


@app.command("issue")
def issue(
    config: ConfigOption,
    user: Annotated[str, typer.Option("--user", help="MC service ID, or a server of [kms.servers].")],
    lifetime: Annotated[int, typer.Option(min=1, max=86_400, help="Seconds.")] = 3600,
    audience: Annotated[
        str | None, typer.Option("--audience", help="Who takes it: the KMS, or the MDSI of the MCX server.")
    ] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What for; several times for several.")
    ] = None,
) -> None:
    """Print a token for USER, and nothing else: for the KMS, unless --audience and --scope say otherwise.

    For the MCX server: --audience mcx.DOMAIN --scope 3gpp:mc:ptt_service.
    """
    from mcsec.kms.config import load
    from mcsec.kms.issuers import open_local

    configuration = load(config)
    print(
        open_local(configuration).issue(
            user,
            audience=audience or configuration.kms.uri,
            scopes=scope or configuration.kms.tokens.scopes,
            now=time.time(),
            lifetime=lifetime,
        )
    )
