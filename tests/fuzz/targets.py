"""Every decoder that meets the network, and the doors of the engines behind them."""

from __future__ import annotations

from . import calls, documents, doors, explained, packets, security, sip
from .driver import Target

TARGETS: tuple[Target, ...] = (
    *security.TARGETS,
    *packets.TARGETS,
    *documents.TARGETS,
    *doors.TARGETS,
    *calls.TARGETS,
    *sip.TARGETS,
    *explained.TARGETS,
)
