"""Content types: ``type/subtype;parameter=value`` as SIP writes them (RFC 3261 20.15, RFC 2045 5.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Self

from mcsec.errors import DecodeError, InvalidValue

_NAME = r"[!#$%&'*+\-.^_`{|}~0-9A-Za-z]+"
_ESSENCE = re.compile(rf"\s*({_NAME})\s*/\s*({_NAME})\s*")
_PARAMETER = re.compile(rf'\s*({_NAME})\s*=\s*({_NAME}|"(?:[^"\\\r\n]|\\[^\r\n])*")\s*')
_IS_NAME = re.compile(rf"{_NAME}\Z")
_MAX_CHARACTERS = 1024


@dataclass(frozen=True, slots=True)
class MediaType:
    """A content type. ``essence`` is ``type/subtype`` in lower case; names of parameters are in lower case."""

    essence: str
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads a Content-Type.

        :raises DecodeError: it is none, or names a parameter twice.
        """
        essence = _ESSENCE.match(text) if len(text) <= _MAX_CHARACTERS else None
        if essence is None:
            raise DecodeError("no media type", code="mime.content-type", clause="RFC 2045 5.1")
        at = essence.end()
        parameters: dict[str, str] = {}
        while at < len(text):
            found = _PARAMETER.match(text, at + 1)
            if text[at] != ";" or found is None:
                raise DecodeError("no parameter", at, code="mime.content-type", clause="RFC 2045 5.1")
            name = found[1].lower()
            if name in parameters:
                raise DecodeError("a parameter twice", at, code="mime.content-type", clause="RFC 2045 5.1")
            parameters[name] = _unquote(found[2])
            at = found.end()
        return cls(f"{essence[1]}/{essence[2]}".lower(), MappingProxyType(parameters))

    def __str__(self) -> str:
        """The Content-Type, with quotes only where they are needed.

        :raises InvalidValue: a parameter holds a line end.
        """
        return self.essence + "".join(f";{name}={_quote(value)}" for name, value in self.parameters.items())


def _unquote(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def _quote(value: str) -> str:
    if _IS_NAME.match(value):
        return value
    if any(character in "\r\n\0" for character in value):
        raise InvalidValue("a line end in a parameter", code="mime.content-type")
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
