"""Interoperability vectors, ``mcsec-vectors/1``: run the cases of a file and say what differs.

A file is ``{"format": "mcsec-vectors/1", "origin": "...", "cases": [...]}``. A case has ``name``, ``op``,
the op's inputs and ``expect``: ``"accept"``, with the exact outputs under ``output``, or ``"reject"``.
Binary values are hex, or base64 where the field's name ends in ``_base64``. :mod:`mcsec.inspect.vector_ops`
has the ops.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcsec.errors import McsecError
from mcsec.inspect.vector_inputs import Inputs, VectorFileError
from mcsec.inspect.vector_ops import OPS

FORMAT = "mcsec-vectors/1"
MAX_FILE_OCTETS = 16 << 20


@dataclass(frozen=True, slots=True)
class Failure:
    """A case that did not do what its file expects."""

    case: str
    op: str
    expected: str
    actual: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of the cases of one file."""

    file: str
    origin: str
    ran: int
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """At least one case ran, and none failed."""
        return self.ran > 0 and not self.failures

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "file": self.file,
            "origin": self.origin,
            "passed": self.ran - len(self.failures),
            "failed": len(self.failures),
            "failures": [
                {
                    "case": failure.case,
                    "op": failure.op,
                    "expected": failure.expected,
                    "actual": failure.actual,
                }
                for failure in self.failures
            ],
        }

    def to_text(self) -> str:
        """Each failure with both values, then the counts."""
        lines: list[str] = []
        for failure in self.failures:
            lines += [
                f"FAILED {failure.case} ({failure.op})",
                f"  expected {failure.expected}",
                f"  actual   {failure.actual}",
            ]
        lines.append(f"{self.ran - len(self.failures)} passed, {len(self.failures)} failed")
        return "\n".join(lines)


def check_file(path: Path) -> Report:
    """Run every case of a file.

    :raises VectorFileError: it cannot be read, or is no well-formed vector file.
    """
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            raise VectorFileError(f"{path}: more than {MAX_FILE_OCTETS} octets")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise VectorFileError(f"{path}: cannot be read: {error}") from None
    return check_text(text, str(path))


def check_text(text: str, name: str) -> Report:
    """Run every case of a vector file's text; ``name`` stands for it in the report and in errors.

    :raises VectorFileError: no well-formed vector file.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VectorFileError(f"{name}: no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise VectorFileError(f'{name}: no file of "format": "{FORMAT}"')
    origin, cases = document.get("origin"), document.get("cases")
    if not isinstance(origin, str) or not isinstance(cases, list):
        raise VectorFileError(f'{name}: "origin" is a text and "cases" a list')
    # Every case is read before the first one runs, so that a malformed file never counts as half a success.
    checks = [_Case(case, f"{name}: case {number}") for number, case in enumerate(cases, 1)]
    failures = [failure for check in checks if (failure := check.run()) is not None]
    return Report(name, origin, len(checks), tuple(failures))


class _Case:
    def __init__(self, case: object, where: str) -> None:
        if not isinstance(case, dict):
            raise VectorFileError(f"{where}: no object")
        inputs = Inputs(case, where)
        self.name = inputs.text("name")
        inputs = Inputs(case, f"{where} ({self.name})")
        self.op = inputs.text("op")
        operation = OPS.get(self.op)
        if operation is None:
            raise VectorFileError(
                f"{inputs.where}: op {self.op!r} is not known", hint=f"known: {', '.join(OPS)}"
            )
        expect = inputs.text("expect")
        if expect not in ("accept", "reject"):
            raise VectorFileError(f'{inputs.where}: "expect" is "accept" or "reject", not {expect!r}')
        self.expected: dict[str, bytes] | None = None
        if expect == "accept":
            output = Inputs(case.get("output", {}), f"{inputs.where}: output")
            self.expected = output.all_octets()
        self._run = operation(inputs)

    def run(self) -> Failure | None:
        """What went wrong, or None."""
        try:
            actual = self._run()
        except McsecError as error:
            if self.expected is None:
                return None
            return Failure(self.name, self.op, _show(self.expected), f"reject: {error.describe()}")
        if self.expected is None:
            return Failure(self.name, self.op, "reject", _show(actual))
        if self.expected == actual:
            return None
        return Failure(self.name, self.op, _show(self.expected), _show(actual))


def _show(output: Mapping[str, bytes]) -> str:
    return " ".join(("accept", *(f"{name}={octets.hex()}" for name, octets in sorted(output.items()))))
