"""What a KMS refuses, and what it says about it: much to its operator, a status and a few fixed words to its peer."""

from __future__ import annotations

from mcsec.errors import CheckFailed, DecodeError, McsecError, PeerError, Refused, Replayed, UnknownKey

#: The words for a client. They tell nothing that the status does not, so they help no guesser.
WORDS = {
    400: "the request cannot be read",
    401: "no valid access token",
    403: "not allowed",
    404: "not found",
    405: "method not allowed",
    409: "not fresh",
    413: "the request is too large",
    500: "internal error",
    503: "try again later",
}


class KmsRefusal(Refused):
    """A request that is not granted; ``status`` is that of HTTP."""

    code = "kms.refused"

    def __init__(
        self, status: int, message: str, *, code: str, clause: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, clause=clause, hint=hint)
        self.status = status


def status_of(error: McsecError) -> int:
    """The status of HTTP that answers a request which failed this way."""
    if isinstance(error, KmsRefusal):
        return error.status
    if error.code == "xml.too-large":
        return 413
    if error.code.startswith("token."):
        return 401
    if isinstance(error, Replayed):
        return 409
    if isinstance(error, DecodeError):
        # A document without the signature that it must have is not allowed; any other is not readable.
        return 403 if error.code.startswith("dsig.") else 400
    if isinstance(error, CheckFailed | UnknownKey):
        return 403
    if isinstance(error, PeerError):
        return 400
    return 500
