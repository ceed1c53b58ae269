"""What a GMS refuses: much to its operator, a status and a fixed document to its peer."""

from __future__ import annotations

from mcsec.errors import DecodeError, McsecError, PeerError, Refused
from mcsec.wire.xcap import Conflict


class GmsRefusal(Refused):
    """A request that is not granted; ``status`` is that of HTTP, ``conflict`` what a 409 says."""

    code = "gms.refused"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        conflict: Conflict | None = None,
        clause: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, clause=clause, hint=hint)
        self.status = status
        self.conflict = conflict


def status_of(error: McsecError) -> int:
    """The status of HTTP that answers a request which failed this way."""
    if isinstance(error, GmsRefusal):
        return error.status
    if error.code == "xml.too-large":
        return 413
    if error.code.startswith("token."):
        return 401
    if error.code in ("xcap.path", "xcap.node"):
        return 404
    if error.code == "xcap.name":
        return 400
    if isinstance(error, DecodeError):
        return 409
    if isinstance(error, PeerError):
        return 403
    return 503 if error.code.startswith("store.") else 500


def conflict_of(error: McsecError) -> Conflict | None:
    """What the answer to a document that was not taken says (RFC 4825 11.2)."""
    if isinstance(error, GmsRefusal):
        return error.conflict
    if not isinstance(error, DecodeError):
        return None
    if error.code.startswith("xml."):
        return Conflict.NOT_WELL_FORMED
    return Conflict.CONSTRAINT if error.code.endswith(".constraint") else Conflict.SCHEMA
