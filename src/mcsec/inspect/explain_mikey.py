"""``mcsec explain`` for MIKEY: an I_MESSAGE octet by octet.

The decoder itself says what it reads (:class:`mcsec.mikey.cursor.Read`); here every field only gets a value
for people, a meaning and a clause. No keys are needed, and none would help: what is encrypted stays so.
"""

from __future__ import annotations

from mcsec.errors import DecodeError
from mcsec.inspect.annotate import Explanation, Walk
from mcsec.inspect.mikey_fields import FIELDS, PARTS, Field, Seen
from mcsec.mikey.cursor import Read
from mcsec.mikey.message import IMessage
from mcsec.mikey.numbers import IdRole

KIND = "MIKEY-SAKKE I_MESSAGE"


def explain_mikey(octets: bytes) -> Explanation:
    """Explain ``octets`` as an I_MESSAGE; malformed ones up to the broken octet."""
    trace: list[Read] = []
    error = None
    try:
        IMessage.decode(octets, trace)
    except DecodeError as caught:
        error = caught
    walk = Walk(KIND, octets)
    seen: Seen = {}
    for read in trace:
        if read.length:
            _annotate(walk, read, octets, seen)
    return walk.finish(error)


def _annotate(walk: Walk, read: Read, octets: bytes, seen: Seen) -> None:
    value = octets[read.offset : read.offset + read.length]
    seen[read.field] = value
    label = _label(read, octets, seen)
    field = FIELDS.get((read.scope, read.field), Field())
    parts = PARTS[read.field](read.length) if read.field in PARTS else []
    for name, length, meaning in parts:
        walk.step(length, f"{label} {name}", "", meaning, field.clause)
    if not parts:
        shown, meaning = field.say(value, seen)
        walk.step(read.length, f"{label} {read.field}", shown, meaning, field.clause)


def _label(read: Read, octets: bytes, seen: Seen) -> str:
    """The payload's name; an IDR payload is named by its role, the octet behind its first."""
    if read.scope != "IDR":
        return read.scope
    role = octets[read.offset + 1 : read.offset + 2] if read.field == "next payload" else seen["ID role"]
    return next((known.label for known in IdRole if bytes((known,)) == role), read.scope)
