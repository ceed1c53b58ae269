"""Every decoder that meets the network, and the doors of the engines behind them."""

from __future__ import annotations

from . import documents, doors, explained, packets, security, sip
from .driver import Target

TARGETS: tuple[Target, ...] = (
    *security.TARGETS,
    *packets.TARGETS,
    *documents.TARGETS,
    *doors.TARGETS,
    *sip.TARGETS,
    *explained.TARGETS,
)
