"""Cutting a stream of octets into SIP messages (RFC 3261 18.3) and keep-alives (RFC 5626 3.5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.message import DEFAULT_LIMITS, Limits, body_length, decode

_CRLF = b"\r\n"
_END = b"\r\n\r\n"
# All lines that say how long the body is, folded ones too: what decode() will find, found without decoding.
# In lower case: with one it is found much faster than with either.
_LENGTH = re.compile(rb"\r\n(?:content-length|l)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)")


class KeepAlive(Enum):
    """What stands between messages: the octets to answer a ping with are the value of ``PONG``."""

    PING = b"\r\n\r\n"
    PONG = b"\r\n"


class StreamFramer:
    """Octets of one connection in, whole messages out, each as its own octets.

    One CRLF between messages is a pong, a second one directly after it makes a ping of the two. After an
    error the place where the next message starts is unknown: the connection must be closed.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._needed = 0
        self._half = False

    @property
    def midway(self) -> bool:
        """Whether a message has begun and has not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes | KeepAlive]:
        """Add what the connection gave and take what is complete.

        :raises BadMessage: no message can start here, or a limit is passed; it says which answer is due.
        """
        self._buffer += data
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> bytes | KeepAlive | None:
        buffer = self._buffer
        if not self._needed:
            if buffer.startswith(_CRLF):
                del buffer[:2]
                self._half = not self._half
                return KeepAlive.PONG if self._half else KeepAlive.PING
            if not buffer or buffer == b"\r":
                return None
            self._half = False
            end = buffer.find(_END, self._searched)
            if end < 0:
                # The end may straddle two reads, so its first three octets are looked at again.
                self._searched = max(0, len(buffer) - 3)
                if len(buffer) > self._limits.head:
                    raise BadMessage("the headers are too long", len(buffer), status=None)
                return None
            self._needed = end + 4 + self._length(bytes(buffer[: end + 4]))
        if len(buffer) < self._needed:
            return None
        octets = bytes(buffer[: self._needed])
        del buffer[: self._needed]
        self._searched = self._needed = 0
        return octets

    def _length(self, head: bytes) -> int:
        values = [match.strip().decode("ascii", "replace") for match in _LENGTH.findall(head.lower())]
        try:
            length = body_length(values)
        except BadMessage:
            length = self._limits.body + 1
        if length > self._limits.body:
            # decode() refuses such a message and says with which answer.
            decode(head, stream=True, limits=self._limits)
            raise BadMessage("the end of the message cannot be found", len(head), status=None)
        return length
