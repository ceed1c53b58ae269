"""Copies of one media packet by two paths, as they come around a switch between unicast and a bearer (TS 23.280 10.7).

A server forwards media octet for octet, so a copy is the same octets. It is no replay: what comes again by the *same*
path is.
"""

from __future__ import annotations

from collections import OrderedDict

from mcsec.client.floor import Path

#: Packets that are remembered: some seconds of several talkers.
_REMEMBERED = 512


class Copies:
    """What one client took lately, and by which path.

    :ivar counted: copies so far.
    """

    def __init__(self) -> None:
        self._taken: OrderedDict[int, Path] = OrderedDict()
        self.counted = 0

    def known(self, octets: bytes, path: Path) -> bool:
        """Whether the same octets were taken by the other path; counts them if so."""
        copy = self._taken.get(hash(octets), path) is not path
        self.counted += copy
        return copy

    def took(self, octets: bytes, path: Path) -> None:
        """They proved authentic."""
        self._taken[hash(octets)] = path
        if len(self._taken) > _REMEMBERED:
            self._taken.popitem(last=False)
