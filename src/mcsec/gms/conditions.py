"""Conditional requests: If-Match and If-None-Match against a document's entity tag (RFC 4825 7.11, RFC 9110 13)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mcsec.gms.refusals import GmsRefusal

_TAG = re.compile(r'\s*((?:W/)?"[\x21\x23-\x7e]*")\s*')
_MOST = 64


def check(headers: Mapping[str, str], etag: str | None, *, reading: bool) -> bool:
    """Whether the condition of a request is met; False: the reader has the document already (304).

    :param etag: of the document as it is; None: there is none.
    :raises GmsRefusal: 412 the condition is not met, 400 it cannot be read.
    """
    wanted = headers.get("if-match")
    if wanted is not None and not _matches(wanted, etag, weak=False):
        raise _failed("the document is not the one that was meant")
    unwanted = headers.get("if-none-match")
    if unwanted is not None and _matches(unwanted, etag, weak=reading):
        if reading:
            return False
        raise _failed("there is such a document already")
    return True


def _matches(field: str, etag: str | None, *, weak: bool) -> bool:
    if field.strip() == "*":
        return etag is not None
    parts = field.split(",")
    found = [_TAG.fullmatch(part) for part in parts]
    if len(parts) > _MOST or not all(found):
        raise GmsRefusal(400, "a condition that cannot be read", code="gms.condition", clause="RFC 9110 13.1")
    tags = {match[1] for match in found if match is not None}
    return etag is not None and (etag in tags or (weak and f"W/{etag}" in tags))


def _failed(message: str) -> GmsRefusal:
    return GmsRefusal(412, message, code="gms.condition-failed", clause="RFC 4825 7.11")
