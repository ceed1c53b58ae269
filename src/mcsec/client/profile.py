"""Who a client is and whom it deals with: what its user's configuration says, without any key."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mcsec.client.engine import Party
from mcsec.errors import InvalidValue
from mcsec.net.sip.refreshing import STANDARD_RETRY, RetryTimes
from mcsec.wire.priority import STANDARD, ResourcePriorities


class Authorisation(Enum):
    """How a client asks for the service (TS 24.379 7.1: its choice)."""

    REGISTER = "register"
    PUBLISH = "publish"


@dataclass(frozen=True, slots=True)
class RejoinTimes:
    """When calls that the server lost are made again, in seconds.

    ``first``: the most before the first try of whoever made the call, of which each client draws its part; whoever was
    invited waits so long before. ``longest``: the most between two tries. No try begins after ``within``, and none at
    all where that is 0.
    """

    first: float = 1.0
    longest: float = 8.0
    within: float = 60.0


STANDARD_REJOIN = RejoinTimes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One user with one client.

    ``mc_service_id`` is the identity that keys are made for, ``impu`` the public user identity that SIP knows,
    ``client_id`` names the device's client. ``registrar`` is the URI of REGISTERs. ``psi`` is the public service
    identity of the participating function, the only one that may send to this client; ``server`` is the same
    server as signer of keys (MDSI), the only one that keys are taken from.

    ``protect_xml``: encrypt and sign XML under the CSK once there is one. ``require_protected_xml``: refuse XML
    of the server that is not. ``expires``: seconds that a registration is asked for. ``retry``: when one that failed
    or was lost is tried again. ``priorities``: what INVITEs ask of the network. ``rejoin``: how calls are
    made again that the server lost.
    """

    mc_service_id: str
    impu: str
    client_id: str
    registrar: str
    psi: str
    server: Party
    authorisation: Authorisation = Authorisation.REGISTER
    protect_xml: bool = True
    require_protected_xml: bool = True
    expires: int = 3600
    retry: RetryTimes = STANDARD_RETRY
    priorities: ResourcePriorities = STANDARD
    rejoin: RejoinTimes = STANDARD_REJOIN

    def __post_init__(self) -> None:
        for name in ("mc_service_id", "impu", "registrar", "psi"):
            value = getattr(self, name)
            if not value.startswith(("sip:", "sips:", "tel:")):
                raise InvalidValue(f"{name} is no SIP or tel URI: {value!r}", code="client.profile")
        if not self.client_id:
            raise InvalidValue("a client has a client ID", code="client.profile", clause="TS 24.379 7.2.1")

    @property
    def domain(self) -> str:
        """The MC domain of the client."""
        return self.server.domain
