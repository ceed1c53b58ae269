"""A user whom its KMS revoked gives the server no key any more, and is given none."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec.crypto.secret import Secret
from mcsec.errors import PeerError, Refused
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyHeld
from mcsec.keys.key import Scope
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server import authorisation, revocation
from mcsec.server.events import ClientLeft, RequestRefused
from support.domains import NOW, kms
from support.engines import A, client, initiator, kms_of, mdsi, server, user
from support.mc_server import ALICE, BEARER, BOB, GROUP, clients, identity, running
from support.sharing import name, sip_core, users
from support.waiting import until

ANN = user("ann")


def test_an_upload_of_a_revoked_user() -> None:
    at, public = server(), kms(kms_of(A)).public
    known = replace(public, revoked_users=frozenset([public.uid_of(ANN, NOW)]))
    own = kms(kms_of(A)).identity(mdsi(A))
    at.renew(initiator(mdsi(A)), Receiver([own], [known], ReplayCache()))
    with pytest.raises(PeerError) as caught:
        at.csk_uploaded(ANN, client("ann").make_csk(NOW)[1], NOW)
    assert caught.value.code == "mikey.revoked-sender"
    at.csk_uploaded(user("bob"), client("bob").make_csk(NOW)[1], NOW)
    assert at.kinds_held == {PurposeTag.CSK}


@pytest.mark.anyio
async def test_a_revoked_user_is_given_no_key(tmp_path: Path) -> None:
    """Also while it is not logged off yet."""
    async with sip_core() as core:
        sip = EndpointSettings(outbound=Hop("TCP", "127.0.0.1", core.port))
        async with running(tmp_path, transports=(), sip=sip, default_musik=False) as at:
            await users(at.server, 5)
            at.server.renew(identity(name(0), name(3)))
            await at.server.make_musik(Scope.of(GROUP))
            await until(lambda: len(at.of(KeyHeld)) == 3)

            async def settled() -> bool:
                return await at.server.deliveries() == {"held": 3, "refused": 2}

            await until(settled)
            assert set(core.times) == {name(1), name(2), name(4)}


@pytest.mark.anyio
async def test_a_user_that_is_revoked_is_logged_off_and_what_it_held_is_replaced(tmp_path: Path) -> None:
    async with running(tmp_path) as at, clients(at) as add:
        alice, bob = add(), add(BOB)
        for one in (alice, bob):
            await one.client.log_on([GROUP])
        await at.server.make_musik(Scope.of(GROUP))
        await at.server.announce(BEARER)
        keydown = at.server.function.engine.keydown
        rotations = [keydown.musiks[None], keydown.musiks[GROUP], keydown.msccks[str(BEARER.tmgi)]]
        for rotation in rotations:
            await until(lambda rotation=rotation: rotation.sending is not None)  # type: ignore[misc]
            key_id = rotation.sending.key_id  # type: ignore[union-attr]
            await until(
                lambda rotation=rotation, key_id=key_id: all(  # type: ignore[misc]
                    rotation.audience.holds(one, key_id) for one in (ALICE, BOB)
                )
            )
        old = {rotation.sending.key_id for rotation in rotations if rotation.sending is not None}
        await at.server.expel_revoked()
        assert not at.of(ClientLeft), "nobody is revoked"
        at.server.renew(identity(ALICE))
        await at.server.expel_revoked()
        (left,) = at.of(ClientLeft)
        assert isinstance(left, ClientLeft)
        assert (left.user, left.reason) == (ALICE, "revoked by the KMS")
        assert at.server.function.users.everybody() == {BOB}

        def replaced() -> bool:
            """Bob holds another key of each kind, which is sent under; Alice none of them."""
            return all(
                rotation.sending is not None
                and rotation.sending.key_id not in old
                and rotation.audience.holds(BOB, rotation.sending.key_id)
                and ALICE not in rotation.audience.members
                for rotation in rotations
            )

        await until(replaced)
        given = {event.key_id for event in at.of(KeyHeld) if event.member == ALICE}  # type: ignore[attr-defined]
        assert {key_id for key_id in given if key_id.tag is not PurposeTag.CSK} <= old
        told = len(at.events)
        await at.server.expel_revoked()
        assert len(at.events) == told, "once"
        # A new registration is refused, with or without a key of its own.
        with pytest.raises(PeerError):
            await alice.client.log_on([GROUP])
        refusals = {event.code for event in at.of(RequestRefused)}  # type: ignore[attr-defined]
        assert refusals & {"mikey.revoked-sender", "server.user-revoked"}


@pytest.mark.anyio
async def test_authorisation_without_a_csk_is_refused_too(tmp_path: Path) -> None:
    async with running(tmp_path) as at:
        at.server.renew(identity(ALICE))
        function = at.server.function
        revocation.check(function, BOB, time.time())
        with pytest.raises(Refused) as caught:
            revocation.check(function, ALICE, time.time())
        assert caught.value.code == "server.user-revoked"
        claim = authorisation.Claim(Secret(ALICE.encode()), ALICE, "urn:uuid:1", None)
        with pytest.raises(Refused, match="was revoked by its KMS"):
            await at.server.requests._verified(claim, ALICE)
