"""One record of what happened to a key, and its one way of being written: a line of JSON, without key octets.

A record is hashed in the form in which it is exported, less its own digest: sorted names, no spaces, ASCII
only, whole numbers only (time in microseconds), octets in lower-case hex. No field can hold a secret.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from enum import StrEnum

from mcsec.errors import DecodeError, McsecError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.chain import PROVENANCE
from mcsec.keys.key import Maker

__all__ = ["FORMAT", "Happening", "Record", "decode", "encode"]

FORMAT = PROVENANCE
"""Enters every hash."""


class Happening(StrEnum):
    """What a record says about a key."""

    MADE = "made"
    RECEIVED = "received"
    OFFERED = "offered"
    HELD = "held"
    DELIVERY_REFUSED = "delivery-refused"
    INSTALLED = "installed"
    UPDATED = "updated"
    FIRST_USED = "first-used"
    SWITCHED = "switched"
    RETIRED = "retired"
    REVOKED = "revoked"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened to one key, as ``domain`` noted it.

    ``time`` is Unix microseconds. ``signer`` signed the message that brought the key or told the event;
    ``subject`` is who or what it was about (member, group, bearer), ``members`` are those of whom one record
    tells the same together, ``subject`` is empty then. ``traffic`` is the name of a
    :class:`~mcsec.keys.kinds.Traffic` in a first use. ``digest`` is this record's hash, ``previous`` the one
    before.
    """

    sequence: int
    time: int
    happening: Happening
    key_id: KeyId
    scope: tuple[str, ...]
    maker: Maker
    domain: str
    signer: str
    subject: str
    traffic: str
    reason: str
    previous: bytes
    digest: bytes = b""
    members: tuple[str, ...] = ()

    @property
    def kind(self) -> PurposeTag:
        """What kind of key."""
        return self.key_id.tag

    def canonical(self) -> bytes:
        """The octets that are hashed: everything but the digest."""
        return _write(_plain(self)).encode()

    def seal(self) -> bytes:
        """The hash that ``digest`` should be."""
        return hashlib.sha256(FORMAT.encode() + b"\n" + self.canonical()).digest()


def encode(record: Record) -> str:
    """One line of JSON, without its line end."""
    # The name of the digest comes before every other, so what is hashed is written once.
    return f'{{"digest":"{record.digest.hex()}",' + _write(_plain(record))[1:]


def decode(line: str) -> Record:
    """A record from one line of JSON; :func:`verify` says whether it can be believed.

    :raises DecodeError: not such a line.
    """
    try:
        plain = json.loads(line)
        if not isinstance(plain, dict) or plain.keys() - _OPTIONAL != _FIELDS:
            raise ValueError("not the fields of a record")
        if not all(type(plain[name]) is int for name in ("sequence", "time")):
            raise ValueError("sequence and time are whole numbers")
        if not all(type(plain[name]) is str for name in ("domain", "signer", "subject", "traffic", "reason")):
            raise ValueError("a text is none")
        scope, maker, members = plain["scope"], plain["maker"], plain.get("members", ["-"])
        if not _texts(scope) or not _texts(maker) or len(maker) != 2 or not _texts(members) or not members:
            raise ValueError("scope, maker and members are lists of texts")
        read = {
            "happening": Happening(plain["happening"]),
            "key_id": KeyId.decode(bytes.fromhex(plain["key_id"])),
            "scope": tuple(scope),
            "maker": Maker(*maker),
            "previous": bytes.fromhex(plain["previous"]),
            "digest": bytes.fromhex(plain["digest"]),
            "members": tuple(plain.get("members", ())),
        }
        return Record(**(plain | read))
    except (ValueError, TypeError, RecursionError, McsecError) as error:
        raise DecodeError(f"no record of {FORMAT}: {error}", code="provenance.decode") from None


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(type(text) is str for text in value)


_OPTIONAL = {"members"}
_FIELDS = {field.name for field in fields(Record)} - _OPTIONAL


def _plain(record: Record) -> dict[str, object]:
    plain: dict[str, object] = {
        "sequence": record.sequence,
        "time": record.time,
        "happening": record.happening.value,
        "key_id": str(record.key_id),
        "scope": list(record.scope),
        "maker": [record.maker.domain, record.maker.entity],
        "domain": record.domain,
        "signer": record.signer,
        "subject": record.subject,
        "traffic": record.traffic,
        "reason": record.reason,
        "previous": record.previous.hex(),
    }
    if record.members:
        plain["members"] = list(record.members)
    return plain


# Made once: a domain that rekeys writes thousands of records for each second.
_write = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
