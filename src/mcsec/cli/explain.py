"""``mcsec explain``: an annotated decode."""

from __future__ import annotations

from typing import Annotated

import typer

from mcsec.cli.output import JsonOption, print_json


def explain(
    message: Annotated[
        str,
        typer.Argument(help="Base64, hex, the name of a file, or - for standard input.", show_default=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """Explain a MIKEY or RTCP APP message octet by octet: field names, meanings, clauses. Never needs keys.

    Malformed input is explained up to the broken octet; exit status 1 then.
    """
    from mcsec.inspect.explain import explain_octets, read_message

    explanation = explain_octets(read_message(message))
    if as_json:
        print_json(explanation.to_dict())
    else:
        print(explanation.to_text())
    if explanation.error is not None:
        raise typer.Exit(1)
