"""How commands print: JSON alone on standard output, or text for people."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import structlog
import typer

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def log(row: dict[str, Any]) -> None:
    """One event as a line of JSON, on standard error."""
    from mcsec.net.log import LOG

    LOG.write(json.dumps(row) + "\n")
    LOG.flush()


def log_to_stderr() -> None:
    """Log lines go beside the result, so that ``--json`` stays one object and nothing else."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def print_json(value: Any) -> None:
    """One JSON object on standard output."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def note(text: str) -> None:
    """A line beside the result, on standard error, so that pipes stay clean."""
    print(text, file=sys.stderr)
