"""Why a request of ours has no good answer."""

from __future__ import annotations

from typing import Any

from mcsec.errors import LocalError, PeerError, Refused
from mcsec.wire.diameter.results import ResultCode


class Unreachable(PeerError):
    """No open peer takes requests for this destination."""

    code = "diameter.unreachable"
    clause = "RFC 6733 6.1"
    hint = "see which peers are open, and the realms they serve"


class PeerLost(PeerError):
    """The connection went while the request was pending, and no other peer could take it."""

    code = "diameter.peer-lost"
    clause = "RFC 6733 5.5.4"
    hint = "the request may have been carried out"


class RequestTimeout(PeerError):
    """Nobody answered in time."""

    code = "diameter.timeout"
    hint = "the request may have been carried out"


class RequestRefused(Refused):
    """The answer reports failure. ``answer`` is the whole of it, ``result_code`` None for a vendor's result."""

    code = "diameter.refused"

    def __init__(self, answer: Any) -> None:
        result = answer.result_code
        vendor = answer.experimental_result
        if result is None and vendor is not None:
            told = f"result {vendor.experimental_result_code} of vendor {vendor.vendor_id}"
        else:
            told = f"result {result}"
        text = f": {answer.error_message}" if answer.error_message else ""
        super().__init__(f"{answer.origin_host} answers {told}{text}")
        self.answer = answer
        self.result_code: int | None = result


class CapabilitiesRefused(Refused):
    """A peer may not connect, or connecting is of no use. ``result_code`` is what a CEA says."""

    clause = "RFC 6733 5.3"
    hint = "compare both sides' configuration of names, realms, TLS and applications"

    def __init__(self, reason: str, result_code: ResultCode) -> None:
        super().__init__(reason, code=f"diameter.{result_code.label}")
        self.result_code = result_code


class NoAnswer(LocalError):
    """Raised by a handler that means to stay silent, as a fault that is played."""

    code = "diameter.no-answer"
