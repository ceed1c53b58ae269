"""What a client writes to its server: bodies of REGISTER, PUBLISH and MESSAGE, protected under the CSK.

TS 24.379 7.2 (service authorisation), 9.2.1 (affiliation), 14.3.3 and 14.3.4 (listening and suspension reports).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mcsec._core import Secret
from mcsec.client.csks import CskKeys
from mcsec.client.engine import ClientEngine
from mcsec.client.profile import Profile
from mcsec.client.radio import Report
from mcsec.ids import KeyId
from mcsec.wire import mc_bodies, mcptt_info, multipart, sdp
from mcsec.wire.affiliation import Affiliation, ClientAffiliations, Presence
from mcsec.wire.mbms_usage import Listening, MbmsUsage, Suspension
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.sdp import Session


@dataclass(frozen=True, slots=True, repr=False)
class Content:
    """A body with its content type. Without ``repr``: it may hold a token."""

    content_type: str
    body: bytes


class ContentWriter:
    """Writes for one client."""

    def __init__(self, profile: Profile, engine: ClientEngine) -> None:
        self._profile, self._engine = profile, engine
        self._csks = CskKeys(engine)

    def authorisation(self, token: Secret, now: float, *, settings: bool) -> tuple[Content, KeyId]:
        """Access token and a fresh CSK, and the ID of that CSK.

        The token is encrypted under the very CSK that the same body uploads.

        :param settings: for a PUBLISH of poc-settings; else for a REGISTER.
        :raises WrongState: the user's keys of the present key period are not at hand.
        """
        csk, upload = self._engine.make_csk(now)
        info = McpttInfo(
            access_token=token,
            request_uri=self._profile.mc_service_id,
            client_id=self._profile.client_id,
        )
        return self._written(mc_bodies.authorisation(info, upload, settings=settings), now), csk.key_id

    def log_off(self, now: float) -> Content:
        """PUBLISH of poc-settings that ends the service (7.2.3): who, and nothing else."""
        return self._written(mc_bodies.authorisation(self._info(), None, settings=True), now)

    def affiliation(self, groups: Iterable[str], now: float) -> Content:
        """All groups that the user wants to hear; the set replaces the one before."""
        wanted = tuple(Affiliation(group) for group in groups)
        clients = (ClientAffiliations(self._profile.client_id, wanted),)
        presence = Presence(self._profile.mc_service_id, clients, p_id=str(uuid.uuid4()))
        return self._written(mc_bodies.affiliations(self._info(), presence), now)

    def about_itself(self, now: float) -> Content:
        """Who asks, and nothing else: a SUBSCRIBE to one's own affiliations (9.2.1.3)."""
        info = Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(self._info()))
        return self._written((info,), now)

    def listening(self, report: Report, session_id: str | None, now: float) -> Content:
        """Whether a bearer is received; ``session_id`` names the call, for a group that is mapped to it."""
        listening = Listening(
            listening=report.listening,
            tmgis=(report.tmgi,),
            session_id=session_id,
            general_purpose=True if report.group is None else None,
        )
        return self._written(mc_bodies.report(self._info(), MbmsUsage(listening=listening)), now)

    def call(self, wish: McpttInfo, session: Session, now: float) -> Content:
        """INVITE to a group (10.1.1.2.1). ``wish`` is about the call; who asks is added.

        The request URI of the mcptt-info is the group, and the client ID says from which device.
        """
        info = replace(wish, client_id=self._profile.client_id)
        parts = (
            Part(sdp.CONTENT_TYPE, sdp.encode(session)),
            Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info)),
        )
        return self._written(parts, now)

    def suspension(self, suspension: Suspension, now: float) -> Content:
        """Which bearers the network is about to suspend."""
        return self._written(mc_bodies.report(self._info(), MbmsUsage(suspension=suspension)), now)

    def _info(self) -> McpttInfo:
        return McpttInfo(request_uri=self._profile.mc_service_id, client_id=self._profile.client_id)

    def _written(self, parts: Sequence[Part], now: float) -> Content:
        keys = self._csks.current(now) if self._profile.protect_xml else None
        if keys is not None:
            parts = mc_bodies.protect(parts, keys, self._profile.domain)
        return Content(*multipart.encode(parts))
