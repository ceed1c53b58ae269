"""What is wrong with a received message, in the terms that the answer to it needs."""

from __future__ import annotations

from typing import Self

from mcsec.errors import DecodeError
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.results import ResultCode


class Violation(DecodeError):
    """A message breaks RFC 6733, its command's grammar or the format of an AVP.

    ``result_code`` is what to answer, ``failed`` what belongs into Failed-AVP (7.5): the offending AVP,
    inside its groups, or an example of a missing one. ``code`` is ``diameter.`` and the result's name.
    """

    def __init__(
        self, message: str, result_code: ResultCode, offset: int = 0, failed: Avp | None = None
    ) -> None:
        super().__init__(message, offset, code=f"diameter.{result_code.label}", clause="RFC 6733 7.1")
        self.reason = message
        self.result_code = result_code
        self.failed = failed

    def within(self, avp: Avp) -> Self:
        """The same, seen from outside: ``avp`` is the offender, or the group that holds it."""
        if self.failed is None:
            self.failed = avp
        else:
            self.failed = Avp(avp.code, self.failed.encode(), avp.vendor, avp.flags)
        return self
