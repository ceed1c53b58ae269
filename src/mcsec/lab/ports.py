"""Ports for servers of a lab that must know each other's before they run."""

from __future__ import annotations

import atexit
import os
import secrets
import socket

from mcsec.errors import LocalError

_HOST = "127.0.0.1"
#: Below those that systems give to whoever connects: such a port is taken at any moment, and by anybody.
_FIRST, _EACH, _PROCESSES = 10_000, 400, 25
_given: set[int] = set()


class _Block:
    """Ports of this process alone: who holds the first of a block, for as long as it lives, gives away the others."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.first, self._held = self._claim()

    def _claim(self) -> tuple[int, socket.socket | None]:
        for turn in range(_PROCESSES):
            first = _FIRST + (self.owner + turn) % _PROCESSES * _EACH
            held = socket.socket()
            try:
                held.bind((_HOST, first))
            except OSError:
                held.close()
                continue
            atexit.register(held.close)
            return first, held
        # All are held: two processes share one, and each port is looked at before it is given.
        return _FIRST + self.owner % _PROCESSES * _EACH, None


_block: list[_Block] = []


def free_port() -> int:
    """A port of loopback that is free for TCP and for UDP; none is given again before all others were.

    :raises LocalError: none is left.
    """
    if not _block or _block[-1].owner != os.getpid():
        _block.append(_Block())
    first = _block[-1].first + 1
    for _ in range(2):
        left = [port for port in range(first, first + _EACH - 1) if port not in _given]
        while left:
            port = left.pop(secrets.randbelow(len(left)))
            if _is_free(port):
                _given.add(port)
                return port
        _given.clear()
    raise LocalError(f"no port from {first} to {first + _EACH - 2} is free", code="lab.ports")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind((_HOST, port))
            except OSError:
                return False
    return True
