"""Resource-Priority: what the network may do for an urgent call (RFC 4412, RFC 8101; TS 24.379 6.2.8.1.15)."""

from __future__ import annotations

import re
from dataclasses import astuple, dataclass

from mcsec.errors import InvalidValue
from mcsec.wire.mc_sip import Lines
from mcsec.wire.mcptt_info import McpttInfo

_VALUE = re.compile(r"(?:mcptt[pq]\.(?:1[0-5]|[0-9]))?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePriorities:
    """Which value the INVITEs of a call have, by what it is about; an empty one: no such header.

    ``mcpttp.`` (with pre-emption) or ``mcpttq.`` (by queueing) and 0 to 15, the highest. In a deployment they are those
    of the service configuration document.

    :raises InvalidValue: a value is none of these.
    """

    normal: str = ""
    imminent_peril: str = "mcpttp.14"
    emergency: str = "mcpttp.15"

    def __post_init__(self) -> None:
        for value in astuple(self):
            if not _VALUE.match(value):
                raise InvalidValue(
                    f"{value!r} is no priority of MCPTT",
                    code="call.resource-priority",
                    clause="RFC 8101 4",
                    hint="write mcpttp.0 to mcpttp.15, or mcpttq.0 to mcpttq.15",
                )

    def headers(self, info: McpttInfo) -> Lines:
        """The header of an INVITE or re-INVITE with this mcptt-info; none where its value is empty."""
        if info.emergency_ind is True:
            value = self.emergency
        elif info.imminentperil_ind is True:
            value = self.imminent_peril
        else:
            value = self.normal
        return (("Resource-Priority", value),) if value else ()


STANDARD = ResourcePriorities()
"""The defaults; see the readings."""
