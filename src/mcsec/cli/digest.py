"""``mcsec digest``: lines for the file of users who register by digest authentication."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcsec.cli.run import ConfigOption


def digest(
    config: ConfigOption,
    username: Annotated[str, typer.Argument(help="Private user identity, such as alice@a.example.")],
    impus: Annotated[list[str], typer.Argument(help="Public user identities that are this user's.")],
) -> None:
    """Print the lines of a user for the file that `digest_users` of [server] names.

    The password is read from standard input, or asked for.
    """
    from mcsec.crypto.secret import Secret
    from mcsec.errors import InvalidValue
    from mcsec.server.config import Configuration
    from mcsec.server.subscribers import lines

    realm = Configuration.load(config).digest_realm
    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise InvalidValue("no password", code="config")
    for line in lines(username, Secret(password.encode()), realm, impus):
        print(line)
