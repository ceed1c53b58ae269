"""``application/mikey`` bodies: a MIKEY message in SIP, raw or in base64 (TS 24.379, TS 33.180 9.2.1.3).

Both forms are in use. They cannot be mistaken for one another: a MIKEY message starts with its version, octet 1,
which is no base64 character.
"""

from __future__ import annotations

from base64 import b64encode
from enum import Enum

from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire.multipart import Part, unbase64

CONTENT_TYPE = "application/mikey"
_VERSION = 1
#: Well above any message of TS 33.180, and what RFC 3830 lengths could add up to.
_MAX_OCTETS = 1 << 16


class Form(Enum):
    """How the message is written into the body."""

    RAW = "raw"
    BASE64 = "base64"


def decode(part: Part) -> bytes:
    """The MIKEY message of a part, whichever form it has.

    :raises DecodeError: it is neither a message of version 1 nor base64 of one.
    """
    octets = part.content
    if len(octets) > 2 * _MAX_OCTETS:
        raise DecodeError("a MIKEY message that long is none", code="mikey-body.size")
    if octets[:1] != bytes((_VERSION,)):
        octets = unbase64(octets)
    if octets[:1] != bytes((_VERSION,)):
        raise DecodeError("no MIKEY message of version 1", code="mikey-body.version", clause="RFC 3830 6.1")
    return octets


def encode(message: bytes, form: Form = Form.RAW) -> Part:
    """A part with a MIKEY message.

    :raises InvalidValue: the octets are no message of version 1.
    """
    if message[:1] != bytes((_VERSION,)):
        raise InvalidValue("no MIKEY message of version 1", code="mikey-body.version")
    return Part(CONTENT_TYPE, message if form is Form.RAW else b64encode(message))
