"""Paths of the KMS interface (TS 33.180 D.2), read from the octets of the request line, in one strict way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote_to_bytes

from mcsec.kms.refusals import KmsRefusal
from mcsec.wire.kms.model import BASE_PATH

_MAX_URI_OCTETS = 1024
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_TIME = re.compile(rb"[0-9A-Fa-f]{16}")
_NUMBER = re.compile(rb"[0-9]{1,18}")
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_BASE = BASE_PATH.encode() + b"/"


class Procedure(StrEnum):
    """What a client asks for."""

    INIT = "init"
    KEYPROV = "keyprov"
    CERTCACHE = "certcache"
    CERT = "cert"


@dataclass(frozen=True, slots=True)
class Path:
    """A path, read: ``uri`` of keyprov or cert, ``time`` (64-bit NTP) of keyprov, ``number`` of certcache."""

    procedure: Procedure
    uri: str | None = None
    time: int | None = None
    number: int | None = None


def parse(raw: bytes) -> Path:
    """Read the octets of a path, not yet decoded: a URI is decoded once, and may not reach out of its segment.

    :raises KmsRefusal: no such path (404), or a URI that is none (400).
    """
    if not raw.startswith(_BASE):
        raise _unknown()
    name, *rest = raw[len(_BASE) :].split(b"/")
    match name, rest:
        case b"init", []:
            return Path(Procedure.INIT)
        case b"keyprov", []:
            return Path(Procedure.KEYPROV)
        case b"keyprov", [uri]:
            return Path(Procedure.KEYPROV, _uri(uri))
        case b"keyprov", [uri, time] if _TIME.fullmatch(time):
            return Path(Procedure.KEYPROV, _uri(uri), int(time, 16))
        case b"certcache", []:
            return Path(Procedure.CERTCACHE)
        case b"certcache", [number] if _NUMBER.fullmatch(number):
            return Path(Procedure.CERTCACHE, number=int(number))
        case b"cert", []:
            return Path(Procedure.CERT)
        case b"cert", [uri]:
            return Path(Procedure.CERT, _uri(uri))
        case _:
            raise _unknown()


def _uri(segment: bytes) -> str:
    if not 0 < len(segment) <= _MAX_URI_OCTETS or _ESCAPE.search(segment):
        raise _bad_uri()
    try:
        uri = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise _bad_uri() from None
    if _FORBIDDEN.search(uri) or ".." in uri.split("/") or "." in uri.split("/"):
        raise _bad_uri()
    return uri


def _bad_uri() -> KmsRefusal:
    return KmsRefusal(400, "a URI in the path that is none", code="kms.path-uri", clause="TS 33.180 D.2")


def _unknown() -> KmsRefusal:
    return KmsRefusal(404, "no such path", code="kms.path", clause="TS 33.180 D.2")
