"""Requests of users that are refused, and of those who are none: the answer, one event, one count, nothing changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.key import Maker, Scope, make
from mcsec.server.events import AffiliationChanged, ListeningReported
from mcsec.wire import mbms_usage, mc_bodies, mc_sip
from mcsec.wire.mbms_usage import Listening, MbmsUsage
from mcsec.wire.multipart import Part
from mcsec.wire.xmlsec import XmlKeys
from support.mc_server import ALICE, BOB, GROUP, running
from support.phones import Phone, phone, refused
from support.scripted_mcx import DOMAIN

pytestmark = pytest.mark.anyio


def listening(phone: Phone, user: str = ALICE, **more: object) -> tuple[Part, ...]:
    """A listening report about a bearer that nobody announced."""
    told = Listening(listening=True, tmgis=(Tmgi(9, "001", "01"),), **more)  # type: ignore[arg-type]  # passed on
    return mc_bodies.report(replace(phone.info(), request_uri=user), MbmsUsage(listening=told))


def under_another_csk(phone: Phone, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Protected under a CSK that the server never got."""
    key = make(PurposeTag.CSK, scope=Scope.of(ALICE), maker=Maker(DOMAIN, ALICE), now=time.time())
    return mc_bodies.protect(parts, XmlKeys.derive(key.secret, key.key_id, ALICE), DOMAIN)


def changed(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Signed bodies, one of them with an octet more."""
    return tuple(
        replace(part, body=part.body + b" ") if part.essence == mbms_usage.CONTENT_TYPE else part
        for part in parts
    )


REQUESTS: dict[
    str, tuple[Callable[[Phone], tuple[str, tuple[Part, ...], mc_sip.Lines]], int, str, int | None]
] = {
    "an event that is not spoken": (
        lambda phone: ("PUBLISH", phone.protected(phone.groups(GROUP)), mc_sip.publication("dialog", 60)),
        489,
        "server.event",
        None,
    ),
    "the groups of somebody else": (
        lambda phone: (
            "PUBLISH",
            phone.protected(phone.groups(GROUP, user=BOB)),
            mc_sip.publication("presence", 60),
        ),
        403,
        "server.sender",
        100,
    ),
    "a group that is not the user's": (
        lambda phone: (
            "PUBLISH",
            phone.protected(phone.groups("sip:secret@b.example")),
            mc_sip.publication("presence", 60),
        ),
        403,
        "server.not-in-group",
        116,
    ),
    "too many groups": (
        lambda phone: (
            "PUBLISH",
            phone.protected(phone.groups(*(f"sip:g{number}@a.example" for number in range(51)))),
            mc_sip.publication("presence", 60),
        ),
        486,
        "server.too-many-affiliations",
        102,
    ),
    "XML without protection": (
        lambda phone: ("PUBLISH", phone.groups(GROUP), mc_sip.publication("presence", 60)),
        403,
        "mc-body.unprotected",
        139,
    ),
    "an entity tag of nobody": (
        lambda phone: (
            "PUBLISH",
            phone.protected(phone.groups(GROUP)),
            mc_sip.publication("presence", 60, etag="unknown"),
        ),
        412,
        "server.sip-412",
        None,
    ),
    "a bearer that is not there": (
        lambda phone: (
            "MESSAGE",
            phone.protected(listening(phone, general_purpose=True)),
            mc_sip.from_client(),
        ),
        404,
        "server.unknown-bearer",
        None,
    ),
    "a call that is not the user's": (
        lambda phone: (
            "MESSAGE",
            phone.protected(listening(phone, session_id="sip:secret@b.example")),
            mc_sip.from_client(),
        ),
        404,
        "server.unknown-session",
        None,
    ),
    "a report of somebody else": (
        lambda phone: ("MESSAGE", phone.protected(listening(phone, BOB)), mc_sip.from_client()),
        403,
        "server.sender",
        100,
    ),
    "a report under another CSK": (
        lambda phone: ("MESSAGE", under_another_csk(phone, listening(phone)), mc_sip.from_client()),
        403,
        "server.unknown-csk",
        140,
    ),
    "a report that was changed": (
        lambda phone: ("MESSAGE", changed(phone.protected(listening(phone))), mc_sip.from_client()),
        403,
        "signed-bodies.digest",
        139,
    ),
    "a message about nothing": (
        lambda phone: ("MESSAGE", (Part("text/plain", b"hello"),), mc_sip.from_client()),
        415,
        "server.body",
        None,
    ),
    "a report that reports nothing": (
        lambda phone: (
            "MESSAGE",
            phone.protected(mc_bodies.report(phone.info(), MbmsUsage())),
            mc_sip.from_client(),
        ),
        400,
        "server.report",
        None,
    ),
}


@pytest.mark.parametrize("name", REQUESTS)
async def test_requests_of_a_user_that_are_refused(tmp_path: Path, name: str) -> None:
    made, status, code, warning = REQUESTS[name]
    async with running(tmp_path) as mcx, phone(mcx) as one:
        assert (await one.register()).status == 200
        function = mcx.server.function
        before, csks = function.users.get(ALICE), dict(function.engine.csks.held)
        await refused(mcx, await one.ask(*made(one)), status, code, warning)
        assert (function.users.get(ALICE), function.engine.csks.held) == (before, csks)
        assert not mcx.of(AffiliationChanged, ListeningReported)


@pytest.mark.parametrize("claim", ["From", "P-Asserted-Identity"])
async def test_nobody_speaks_for_somebody_else(tmp_path: Path, claim: str) -> None:
    """Mallory, on a connection of her own, says that she is Alice."""
    async with running(tmp_path) as mcx, phone(mcx) as alice, phone(mcx, BOB) as mallory:
        assert (await alice.register()).status == 200
        mcx.server.requests.refused.clear()
        asserted = (("P-Asserted-Identity", f"<{ALICE}>"),) if claim != "From" else ()
        headers = (*mc_sip.publication("presence", 60), *asserted)
        # She even has a body that Alice signed.
        parts = alice.protected(alice.groups(GROUP))
        response = await mallory.ask("PUBLISH", parts, headers, from_=ALICE)
        await refused(mcx, response, 403, "server.sender", 100)
        user = mcx.server.function.users.get(ALICE)
        assert user is not None
        assert not user.groups


async def test_a_stranger_cannot_log_somebody_off(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, phone(mcx) as alice, phone(mcx, ALICE) as mallory:
        assert (await alice.register()).status == 200
        response = await mallory.ask("REGISTER", (), (("Contact", "*"), ("Expires", "0")))
        await refused(mcx, response, 403, "server.sender", 100)
        assert mcx.server.function.users.get(ALICE) is not None


async def test_who_is_not_authorised_is_unknown(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, phone(mcx) as one:
        response = await one.ask("PUBLISH", one.groups(GROUP), mc_sip.publication("presence", 60))
        await refused(mcx, response, 404, "server.unknown-user", 141)
