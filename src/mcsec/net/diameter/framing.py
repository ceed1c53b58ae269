"""Messages out of a stream of octets (RFC 6733 3)."""

from __future__ import annotations

from mcsec.wire.diameter.header import HEADER_SIZE, VERSION
from mcsec.wire.diameter.results import ResultCode
from mcsec.wire.diameter.violation import Violation


class BrokenStream(Violation):
    """A header that makes the stream unreadable from there on. ``head`` is that header, for an answer."""

    def __init__(self, head: bytes, result: ResultCode) -> None:
        super().__init__(f"a message that begins {head[:4].hex()}", result)
        self.head = head


class Framer:
    """Cuts a stream into messages of at most ``limit`` octets."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = b""

    @property
    def midway(self) -> bool:
        """Whether a message has begun and is not complete."""
        return bool(self._rest)

    def feed(self, data: bytes) -> tuple[list[bytes], BrokenStream | None]:
        """The messages that are complete now, and what ends the stream, if anything.

        After that nothing further in the stream can be trusted.
        """
        octets = self._rest + data if self._rest else data
        messages: list[bytes] = []
        offset, end = 0, len(octets)
        while end - offset >= HEADER_SIZE:
            word = int.from_bytes(octets[offset : offset + 4])
            length = word & 0xFFFFFF
            if word >> 24 != VERSION:
                return messages, self._broken(octets, offset, ResultCode.UNSUPPORTED_VERSION)
            if not HEADER_SIZE <= length <= self._limit or length & 3:
                return messages, self._broken(octets, offset, ResultCode.INVALID_MESSAGE_LENGTH)
            if end - offset < length:
                break
            messages.append(octets[offset : offset + length])
            offset += length
        self._rest = octets[offset:]
        return messages, None

    def _broken(self, octets: bytes, offset: int, result: ResultCode) -> BrokenStream:
        self._rest = b""
        return BrokenStream(octets[offset : offset + HEADER_SIZE], result)
