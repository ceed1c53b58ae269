"""Calls that come to a client: their INVITE, its description."""

from __future__ import annotations

from mcsec.client.announcement import Announcements
from mcsec.client.calls.invitation import read_invitation
from mcsec.client.calls.session import describe, read
from mcsec.client.inbox import Inbox
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.net.sip.compose import make_request
from mcsec.wire import mcptt_info, multipart, sdp
from mcsec.wire.mc_sip import from_server
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.sdp_mcptt import FloorParameters

from .doors import PSI
from .driver import Target
from .security import NOW, USER, client, text

GROUP = "sip:rescue@a.example"
SESSION = sdp.encode(
    describe(
        1,
        ("192.0.2.1", 4000),
        ("192.0.2.1", 4002),
        FloorParameters(queueing=True, priority=5, granted=True, implicit_request=True, ssrc=7),
    )
)
WISH = McpttInfo(
    session_type="prearranged",
    request_uri=USER.uri,
    calling_user_id="sip:bob@a.example",
    calling_group_id=GROUP,
)
CONTENT_TYPE, BODY = multipart.encode(
    (Part(sdp.CONTENT_TYPE, SESSION), Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(WISH)))
)


def invitation(octets: bytes) -> object:
    """An INVITE from our own server to a client of its own, who shares no XML keys yet."""
    engine = client(with_keys=False)
    profile = Profile(
        mc_service_id=USER.uri,
        impu=USER.uri,
        client_id="c1",
        registrar="sip:a.example",
        psi=PSI,
        server=engine.server,
    )
    inbox = Inbox(profile, engine, Announcements(engine, RadioSide(1)))
    content_type, _, body = octets.partition(b"\n")
    request = make_request(
        "INVITE",
        USER.uri,
        from_=PSI,
        headers=(*from_server(PSI), ("Contact", "<sip:s@a.example>"), ("Content-Type", text(content_type))),
    )
    object.__setattr__(request, "body", body)
    return read_invitation(request, inbox, {GROUP}, {}, NOW)


TARGETS = (
    Target("client.call.session", lambda octets: read(sdp.decode(octets)), [SESSION]),
    Target("client.call.invitation", invitation, [CONTENT_TYPE.encode() + b"\n" + BODY]),
)
