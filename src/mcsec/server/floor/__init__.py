"""Floor control of one call at the server (TS 24.380 6.3): who may talk, decided without sockets, keys or clock.

``arbitration`` and ``participants`` are the tables, ``requests`` the rules for a Floor Request, ``policy`` the timers
and counters, ``members`` who takes part, ``queue`` who waits, ``messages`` what is written, ``events`` what comes out;
``arbiter``, ``roster``, ``desk`` and ``extras`` do what the tables say, and ``engine`` joins them.
"""

from mcsec.server.floor.arbitration import ArbitrationState
from mcsec.server.floor.engine import FloorControl
from mcsec.server.floor.events import Forward, Output, ToAll, ToOne
from mcsec.server.floor.members import Member, Urgency
from mcsec.server.floor.participants import ParticipantState
from mcsec.server.floor.policy import STANDARD, FloorPolicy

__all__ = [
    "STANDARD",
    "ArbitrationState",
    "FloorControl",
    "FloorPolicy",
    "Forward",
    "Member",
    "Output",
    "ParticipantState",
    "ToAll",
    "ToOne",
    "Urgency",
]
