"""Why a dialog ends, as a BYE may say: the Reason header (RFC 3326)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mcsec.errors import DecodeError
from mcsec.net.sip.grammar import Params, split
from mcsec.net.sip.message import Request

_LONGEST = 200

SERVER_GONE = 503
"""The cause of who ends a dialog because what it knew of it is gone: it may be begun again."""


@dataclass(frozen=True, slots=True)
class Reason:
    """``cause`` is the status that a request would have got (protocol ``SIP``); ``text`` is for people."""

    cause: int
    text: str = ""

    def header(self) -> tuple[str, str]:
        """The header."""
        told = Params().with_("cause", self.cause)
        if self.text:
            told = told.with_("text", self.text, quoted=True)
        return "Reason", f"SIP{told.encode()}"

    @classmethod
    def of(cls, request: Request) -> Self | None:
        """What a request says; None: nothing, nothing of SIP's, or nothing that can be read, for it changes nothing."""
        try:
            for value in request.headers.all("Reason"):
                for one in split(value, ","):
                    protocol, _, rest = one.partition(";")
                    params = Params.decode(f";{rest}")
                    cause = params.get("cause")
                    if protocol.strip().upper() == "SIP" and cause is not None and cause.isdecimal():
                        return cls(int(cause[:3]), (params.get("text") or "")[:_LONGEST])
        except DecodeError:
            return None
        return None
