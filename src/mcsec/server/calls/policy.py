"""What is configured about calls: timers, counters and thresholds of both functions."""

from __future__ import annotations

from dataclasses import dataclass, fields

from mcsec.errors import InvalidValue
from mcsec.wire.priority import STANDARD as PRIORITIES
from mcsec.wire.priority import ResourcePriorities


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPolicy:
    """Timers in seconds.

    Controlling function: ``tng1`` is how long a call waits for members (TNG1), ``tng2`` how long a call stays urgent
    (TNG2; None: until it ends), ``go_on``: a call that waited goes on without those whom it waited for.
    ``session_interval``: of the SIP session timer.

    Participating function: ``t15``, silence after which a call leaves a bearer; ``t16``, between copies of Map Group
    To Bearer; ``t17`` and ``c17``, between copies of Unmap Group To Bearer, and how many. ``listeners``: users that
    must listen to a bearer before a call goes there. ``dynamic``: users on unicast from which on a bearer is wanted
    for the call; None: never. ``silence``: seconds without a word from the controlling function after which it is
    asked whether it is there. ``ring``: seconds that an invited client has to answer.

    ``priorities``: what INVITEs of both functions ask of the network.
    """

    tng1: float = 10.0
    tng2: float | None = None
    go_on: bool = True
    session_interval: int = 1800
    t15: float = 30.0
    t16: float = 0.5
    t17: float = 0.2
    c17: int = 3
    listeners: int = 1
    dynamic: int | None = None
    silence: float = 60.0
    ring: float = 20.0
    priorities: ResourcePriorities = PRIORITIES

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in ("go_on", "dynamic", "priorities") and value is not None and not value > 0:
                raise InvalidValue(f"{one.name.upper()} is more than 0", code="call.policy")
        if self.session_interval < 90:
            raise InvalidValue("a session interval is 90 s or more", code="call.policy", clause="RFC 4028 4")
        if self.dynamic is not None and self.dynamic < 1:
            raise InvalidValue("a bearer is wanted for one user or more", code="call.policy")


STANDARD = CallPolicy()
"""The defaults; for T15 to T17 and C17 see the readings."""
