"""The floor participant of one call (TS 24.380 6.2): what the user may do, decided without sockets, keys or clock.

``states`` is the table, ``policy`` the timers and counters, ``sequence`` tells copies from news, ``events`` says what
comes out, ``hands`` does what the table says, and ``engine`` joins them.
"""

from mcsec.client.floor.engine import FloorParticipant, Path
from mcsec.client.floor.events import Output, Render, Send
from mcsec.client.floor.policy import STANDARD, ParticipantPolicy
from mcsec.client.floor.states import State

__all__ = [
    "STANDARD",
    "FloorParticipant",
    "Output",
    "ParticipantPolicy",
    "Path",
    "Render",
    "Send",
    "State",
]
