"""re-INVITEs in a call: session refresh whatever became of the keys, another address, another urgency."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.server.calls import bodies, events
from mcsec.server.calls.bodies import Audio, Terms, read, write
from mcsec.server.floor import Urgency
from mcsec.wire import mc_bodies, multipart
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.sdp_mcptt import FloorParameters
from mcsec.wire.xmlsec import XmlKeys
from support.call_domains import Domain, domain, gmk_of
from support.calls import BOB, DAN, GROUP, group
from support.waiting import until

pytestmark = pytest.mark.anyio
AUDIO = Audio("RTP/SAVP", ("0",), ())


async def in_call(made: Domain) -> None:
    for user in (BOB, DAN):
        await made.log_on(user, [GROUP], gmk_of(GROUP))
    await made.users[BOB].client.call(GROUP)
    await until(lambda: made.of(events.CallEstablished) and made.calls.servings[GROUP].legs[BOB].ready)


def protected(made: Domain, user: str, info: McpttInfo, terms: Terms) -> tuple[str, bytes]:
    """A body as the client of ``user`` writes it."""
    description = write(terms.floor, terms.media, AUDIO, FloorParameters(ssrc=terms.ssrc))
    csk = made.server.function.engine.csks.held[user]
    keys = XmlKeys.derive(csk.secret, csk.key_id, user)
    return multipart.encode(mc_bodies.protect(bodies.parts(info, description), keys, "b.example"))


async def test_a_refresh_is_answered_though_its_key_is_gone(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        await in_call(made)
        sip = made.users[BOB].client.calls[GROUP]._sip
        assert sip is not None
        engine = made.server.function.engine
        engine.drop_csk(BOB, "gone", 1.0)
        response = await sip.reinvite(sip._body, sip._content_type or "")
        assert response.status == 200
        assert read(response.body, group().rules).audio.protocol == "RTP/SAVP"


async def test_an_emergency_in_mid_call_and_another_address(tmp_path: Path) -> None:
    async with domain(tmp_path, "b.example", [group(BOB, DAN)]) as made:
        await in_call(made)
        sip = made.users[BOB].client.calls[GROUP]._sip
        leg = made.calls.servings[GROUP].legs[BOB]
        assert sip is not None
        assert leg.terms is not None
        moved = Terms(("127.0.0.1", 4002), ("127.0.0.1", 4000), AUDIO, FloorParameters(ssrc=leg.terms.ssrc))
        content_type, body = protected(made, BOB, McpttInfo(emergency_ind=True), moved)
        assert (await sip.reinvite(body, content_type)).status == 200
        assert made.calls.focuses[GROUP].call.urgency is Urgency.EMERGENCY
        assert leg.terms.media == moved.media
        # Nothing of one that is not protected as it must be counts.
        description = write(("127.0.0.1", 5002), ("127.0.0.1", 5000), AUDIO, FloorParameters(ssrc=1))
        content_type, body = multipart.encode(bodies.parts(McpttInfo(emergency_ind=False), description))
        refused = await sip.reinvite(body, content_type)
        assert refused.status == 403
        assert leg.terms.media == moved.media
        assert made.calls.focuses[GROUP].call.urgency is Urgency.EMERGENCY
