"""``mcsec explain``: finds out what the octets are, and lets the right reader explain them."""

from __future__ import annotations

import binascii
import sys
from base64 import b64decode
from pathlib import Path

from mcsec.errors import InvalidValue
from mcsec.inspect.annotate import Explanation
from mcsec.inspect.explain_mikey import explain_mikey
from mcsec.inspect.explain_rtcp import explain_rtcp

#: More than any message that is explained here can have.
MAX_OCTETS = 1 << 20


def read_message(argument: str) -> bytes:
    """The octets that ``argument`` means: the name of a file, ``-`` for standard input, hex or base64.

    A file may hold the octets themselves, or hex or base64 of them. White space in hex and base64 is ignored.

    :raises InvalidValue: none of these.
    """
    if argument == "-":
        return _of_content(sys.stdin.buffer.read(MAX_OCTETS))
    # The file first: a name may happen to be base64.
    try:
        with Path(argument).open("rb") as file:
            return _of_content(file.read(MAX_OCTETS))
    except (OSError, ValueError):
        octets = _of_text(argument)
    if octets is None:
        raise InvalidValue(
            "neither hex nor base64, and no file of that name",
            code="explain.no-message",
            hint="give the message as hex or base64, a file, or - for standard input",
        )
    return octets


def explain_octets(octets: bytes) -> Explanation:
    """Explains a MIKEY or RTCP APP message, told apart by the first octets.

    RTCP begins with version 2 in its two top bits, MIKEY with version 1 in the first octet.
    """
    if octets and octets[0] >> 6 == 2:
        return explain_rtcp(octets)
    return explain_mikey(octets)


def _of_content(content: bytes) -> bytes:
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        return content
    octets = _of_text(text)
    return content if octets is None else octets


def _of_text(text: str) -> bytes | None:
    compact = "".join(text.split())
    if not compact:
        return None
    try:
        return bytes.fromhex(compact.removeprefix("0x"))
    except ValueError:
        pass
    try:
        return b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return None
