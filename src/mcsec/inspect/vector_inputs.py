"""The fields of a vector case, read with clear errors: a malformed file is not a rejected message."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from mcsec.errors import InvalidValue

_BASE64 = "_base64"
_TIME_BOUND = 1 << 40


class VectorFileError(InvalidValue):
    """The vector file itself is malformed; nothing was learnt about what it tests."""

    code = "vectors.malformed"


class Inputs:
    """The fields of a case, or of an object in it. ``where`` names it in errors.

    :raises VectorFileError: from every method: a field is missing, or of another type.
    """

    def __init__(self, fields: object, where: str) -> None:
        if not isinstance(fields, dict):
            raise VectorFileError(f"{where}: no object")
        self._fields: dict[str, Any] = fields
        self.where = where

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str) -> str:
        """A field that is text."""
        value = self._get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "text")
        return value

    def whole(self, name: str) -> int:
        """A field that is a number of 0 or more."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong(name, "a whole number")
        return value

    def time(self, name: str) -> float:
        """A field that is a time in seconds."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _TIME_BOUND:
            raise self._wrong(name, "a time in seconds")
        return float(value)

    def octets(self, name: str) -> bytes:
        """A binary field: ``name`` in hex, or ``name_base64``."""
        return self._decoded(name + _BASE64 if name not in self and name + _BASE64 in self else name)

    def part(self, name: str) -> Inputs:
        """A field that is an object."""
        return Inputs(self._get(name), f"{self.where}: {name}")

    def all_octets(self) -> dict[str, bytes]:
        """Every field as a binary one, under its name without ``_base64``."""
        return {name.removesuffix(_BASE64): self._decoded(name) for name in self._fields}

    def _decoded(self, name: str) -> bytes:
        value = self.text(name)
        try:
            if name.endswith(_BASE64):
                return base64.b64decode(value, validate=True)
            return binascii.unhexlify(value)
        except ValueError:
            raise self._wrong(name, "base64" if name.endswith(_BASE64) else "hex") from None

    def _get(self, name: str) -> Any:
        if name not in self._fields:
            raise VectorFileError(f'{self.where}: "{name}" is missing')
        return self._fields[name]

    def _wrong(self, name: str, wanted: str) -> VectorFileError:
        return VectorFileError(f'{self.where}: "{name}" is not {wanted}')
