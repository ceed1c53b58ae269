"""Message Sequence Number (TS 24.380 8.2.3.10): which Floor Taken or Floor Idle is news.

Around a switch between unicast and MBMS a client hears the same message twice, or an old one after a newer.
"""

from __future__ import annotations

NUMBERS = 1 << 16
WINDOW = 1024
"""So many numbers back a message is old. One from further back comes from a server that began to count anew."""


class Sequence:
    """The numbers of one call."""

    def __init__(self) -> None:
        self.last: int | None = None

    def news(self, number: int) -> bool:
        """Whether a message of this number is new; it counts as heard from now on."""
        if self.last is not None and (self.last - number) % NUMBERS < WINDOW:
            return False
        self.last = number
        return True
