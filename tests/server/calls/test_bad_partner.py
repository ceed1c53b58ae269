"""A controlling function of another domain that says what it should not, or nothing any more: not on our bearer."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec.client.calls.events import CallEnded
from mcsec.client.events import FloorHeard
from mcsec.crypto.srtp import SrtcpSender, SrtpProfile
from mcsec.keys.key import Key
from mcsec.server.calls import events
from mcsec.server.calls.policy import CallPolicy
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorMessage, FloorRequest, FloorTaken
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from support.call_domains import spk_between
from support.call_story import Story, story, talk
from support.call_waiting import everybody_in
from support.calls import ANN, BOB, CEM, GROUP
from support.waiting import until
from support.wire import Wire, record

pytestmark = pytest.mark.anyio
NUMBER = 4711


async def on_the_bearer(here: Story) -> None:
    """The call is up, and A's users hear it on the bearer only."""
    users = here.users
    await users[BOB].client.call(GROUP)
    await everybody_in(GROUP, (user.client for user in users.values()), here.b.calls, here.a.calls)
    for user in users.values():
        user.listen(GROUP)
    await talk(here, BOB)
    await until(lambda: (here.switches(ANN)[-1:], here.switches(CEM)[-1:]) == (["north"], ["north"]))


def on_air(here: Story, wire: Wire) -> list[rtcp.Message]:
    """All control that was ever on A's bearer."""
    for user in here.users.values():
        wire.know(user.client.engine.keyring.keys)
    for side in (here.a, here.b):
        wire.know(link.partner.spks[0] for link in side.calls.around.links.values())
    return [message for one in wire.control(on_air=True) for message in one.messages]


def sender(key: Key, ssrc: int) -> SrtcpSender:
    # Far from the indexes that the server itself uses.
    material = key.srtp_material()
    return SrtcpSender(SrtpProfile.AEAD_AES_128_GCM, ssrc, *material, first=1 << 30, last=(1 << 31) - 1)


async def test_what_a_partner_says_wrong_goes_on_no_bearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with story(tmp_path, CallPolicy(t15=120.0)) as here:
        await on_the_bearer(here)
        leg = here.b.calls.focuses[GROUP].partners[ANN]
        assert leg.terms is not None
        spk = here.b.calls.around.links["a.example"].partner.spks[-1]
        around, to = here.a.calls.around, leg.terms.floor
        right, other = sender(spk, leg.ssrc), sender(spk, 99)
        stranger, _ = spk_between("a.example", "b.example")
        taken = FloorTaken(ssrc=leg.ssrc, permission=True, sequence_number=NUMBER, granted_party=BOB)

        def protected(by: SrtcpSender, message: FloorMessage | bytes) -> bytes:
            return by.protect(message if isinstance(message, bytes) else rtcp.encode(message)).octets

        wire = record(monkeypatch)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:

            async def say(packet: bytes, code: str) -> None:
                before = around.refused.copy()
                raw.sendto(packet, to)
                # What the partner's own server sends meanwhile is behind our indexes, and refused as a replay.
                await until(lambda: any(one.startswith(code) for one in around.refused - before))

            octets = rtcp.encode(taken)
            await say(protected(right, octets[:-4] + b"\xff" * 4), "rtcp.")
            await say(protected(right, FloorRequest(ssrc=leg.ssrc, user_id=ANN)), "floor.direction")
            await say(protected(other, replace(taken, ssrc=99)), "call.other-leg")
            await say(protected(right, octets + rtcp.encode(replace(taken, ssrc=98))), "call.ssrc")
            await say(protected(sender(stranger, leg.ssrc), taken), "peer.unknown-key")
            await say(octets, "peer.unknown-key")
            changed = bytearray(protected(right, taken))
            changed[20] ^= 1
            await say(bytes(changed), "peer.check-failed")
            assert not [one for one in on_air(here, wire) if getattr(one, "sequence_number", 0) == NUMBER]
            # The same said right is on the air, once; and said again it is nothing.
            fine = protected(right, taken)
            raw.sendto(fine, to)
            await until(
                lambda: [one for one in on_air(here, wire) if getattr(one, "sequence_number", 0) == NUMBER]
            )
            await say(fine, "peer.replayed")
            said = [one for one in on_air(here, wire) if getattr(one, "sequence_number", 0) == NUMBER]
            assert len(said) == 1
        for user in (ANN, CEM):
            heard = [event.message for event in here.users[user].of(FloorHeard)]  # type: ignore[attr-defined]  # of() gives the base class
            assert [getattr(one, "sequence_number", 0) for one in heard].count(NUMBER) <= 1
        assert here.a.of(events.PacketRefused)


async def test_whoever_loses_the_controlling_function_tells_its_clients_and_frees_the_bearer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with story(tmp_path, CallPolicy(t15=120.0, t17=0.05)) as here:
        await on_the_bearer(here)
        wire = record(monkeypatch)
        serving = here.a.calls.servings[GROUP]
        taken = {name: set(numbers) for name, numbers in here.a.calls.around.subchannels._taken.items()}
        assert taken == {"north": {0}}
        # B is cut off: nothing is said any more, not even BYE.
        here.b.calls._book.stop()
        await here.b.server.endpoint.close(grace=0)
        users = (here.users[ANN], here.users[CEM])
        await until(lambda: not any(user.client.calls for user in users))
        assert here.a.of(events.ControllingLost)
        assert all(user.of(CallEnded) for user in users)
        await until(lambda: not here.a.calls.servings)
        assert serving.call.over
        assert len([one for one in on_air(here, wire) if isinstance(one, UnmapGroupToBearer)]) >= 1
        assert here.a.calls.around.subchannels._taken == {"north": set()}
        await asyncio.sleep(0)
