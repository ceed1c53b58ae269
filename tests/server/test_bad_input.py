"""What peers get wrong at an MCX server: the answer, one event, one count, and nothing changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.ids import PurposeTag
from mcsec.keys import transport
from mcsec.keys.key import Maker, Scope, make
from mcsec.mikey.build import Initiator, Recipient
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.message import encode
from mcsec.net.sip.settings import EndpointSettings
from mcsec.wire import mc_bodies, mc_sip, multipart
from mcsec.wire.multipart import Part
from support.domains import kms, resign
from support.mc_clients import engine
from support.mc_server import ALICE, BOB, GROUP, LOOPBACK, running
from support.phones import Phone, message_of, phone, refused, tampered
from support.scripted_mcx import DOMAIN, MDSI

pytestmark = pytest.mark.anyio


def stolen(phone: Phone) -> tuple[Part, ...]:
    """Bob's CSK upload in a message with Alice's token."""
    return phone.authorisation(message=engine(BOB).make_csk(time.time())[1])


def forged(phone: Phone) -> bytes:
    """Alice's upload with Bob's signature."""
    return resign(phone.upload()[1], kms().identity(BOB, time.time()))


def foreign(phone: Phone) -> bytes:
    """Alice's upload under keys that another domain's KMS gave to an Alice of its own."""
    now = time.time()
    other = kms("kms.b.example")
    key = make(PurposeTag.CSK, scope=Scope.of(ALICE), maker=Maker(DOMAIN, ALICE), now=now)
    initiator = Initiator(other.identity(ALICE, now), other.public)
    return transport.write(key, initiator, [Recipient(MDSI, kms().public)], now)[0]


Case = tuple[Callable[[Phone], tuple[Part, ...]], int, str, int | None]
UPLOADS: dict[str, Case] = {
    "no token that counts": (lambda phone: phone.authorisation("nonsense"), 403, "token.signature", 101),
    "a token for another service": (
        lambda phone: phone.authorisation(f"{ALICE}|3gpp:mc:data_service"),
        403,
        "server.not-authorised",
        101,
    ),
    "a token of somebody else": (lambda phone: phone.authorisation(BOB), 403, "server.not-authorised", 101),
    "a CSK without token": (
        lambda phone: phone.protected(
            mc_bodies.authorisation(replace(phone.info(), access_token=None), phone.upload()[1])
        ),
        403,
        "server.not-authorised",
        101,
    ),
    "for another server": (
        lambda phone: phone.authorisation(message=message_of(phone, to="mcx.b.example")),
        488,
        "mikey.wrong-receiver",
        136,
    ),
    "wrong purpose tag": (
        lambda phone: phone.authorisation(message=message_of(phone, tag=PurposeTag.MUSIK)),
        488,
        "mikey.purpose",
        136,
    ),
    "stale": (
        lambda phone: phone.authorisation(message=message_of(phone, at=time.time() - 7200)),
        488,
        "mikey.stale",
        136,
    ),
    "tampered with": (
        lambda phone: phone.authorisation(message=tampered(phone)),
        488,
        "mikey.signature",
        136,
    ),
    "signed by somebody else in the user's name": (
        lambda phone: phone.authorisation(message=forged(phone)),
        488,
        "mikey.signature",
        136,
    ),
    "signed under the KMS of another domain": (
        lambda phone: phone.authorisation(message=foreign(phone)),
        488,
        "mikey.unknown-kms",
        136,
    ),
    "no MIKEY message at all": (
        lambda phone: (*phone.authorisation()[:1], Part("application/mikey", b"\x02not")),
        400,
        "mime.base64",
        None,
    ),
    "XML in clear beside a CSK": (
        lambda phone: mc_bodies.authorisation(
            phone.info(access_token=Secret(ALICE.encode())), phone.upload()[1]
        ),
        403,
        "mc-body.unprotected",
        139,
    ),
    "XML that was changed": (
        lambda phone: tuple(
            replace(part, body=part.body.replace(b"</mcpttinfo>", b"<!-- --></mcpttinfo>"))
            for part in phone.authorisation()
        ),
        403,
        "signed-bodies.digest",
        139,
    ),
}


@pytest.mark.parametrize("name", UPLOADS)
async def test_registrations_that_are_refused(tmp_path: Path, name: str) -> None:
    parts, status, code, warning = UPLOADS[name]
    async with running(tmp_path) as mcx, phone(mcx) as one:
        await refused(mcx, await one.register(parts(one)), status, code, warning)
        assert len(mcx.server.function.users) == 0
        assert not mcx.server.function.engine.csks.held
        # Nothing is in the way of doing it right.
        assert (await one.register()).status == 200


async def test_a_csk_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, phone(mcx) as one:
        response = await one.register(stolen(one))
        # Its XML is signed under another CSK than the one that came with it.
        await refused(mcx, response, 403, "server.unknown-csk", 140)
        assert not mcx.server.function.engine.csks.held


async def test_a_replayed_upload_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, phone(mcx) as one:
        parts = one.authorisation()
        assert (await one.register(parts)).status == 200
        held = dict(mcx.server.function.engine.csks.held)
        await refused(mcx, await one.register(parts), 488, "mikey.replayed", 136)
        assert mcx.server.function.engine.csks.held == held


async def test_a_revoked_key_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx, phone(mcx) as one:
        now = time.time()
        key = make(PurposeTag.CSK, scope=Scope.of(ALICE), maker=Maker(DOMAIN, ALICE), now=now)
        initiator = Initiator(kms().identity(ALICE, now), kms().public)
        (message,) = transport.write(key, initiator, [Recipient(MDSI, kms().public)], now, revoked=True)
        await refused(mcx, await one.register(one.authorisation(message=message)), 488, "mikey.revoked", 136)
        assert len(mcx.server.function.users) == 0
        assert not mcx.server.function.engine.csks.held


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("multipart/mixed", b"--x\r\n\r\n", "mime.boundary"),
        ("multipart/mixed;boundary=x", b"--x\r\nContent-Type: a/b\r\n\r\nnever closed", "mime.boundary"),
        ("multipart/mixed;boundary=x", b"--x\r\nno header\r\n\r\n\r\n--x--", "mime.headers"),
        ("multipart/mixed;boundary=x", b"--x\r\n\r\n\r\n" * 40 + b"--x--", "mime.parts"),
        ("application/vnd.3gpp.mcptt-info+xml", b"<mcpttinfo", "xml.malformed"),
        ("application/vnd.3gpp.mcptt-info+xml", b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "xml.doctype"),
        ("no media type", b"x", "mime.content-type"),
    ],
)
async def test_broken_bodies(tmp_path: Path, content_type: str, body: bytes, code: str) -> None:
    async with running(tmp_path) as mcx, phone(mcx) as one:
        contact = (("Contact", "<sip:x@127.0.0.1>"),)
        response = await one.ask("REGISTER", (), contact, content_type=content_type, body=body)
        await refused(mcx, response, 400, code, None)


async def test_an_oversized_body_is_refused_unread(tmp_path: Path) -> None:
    async with running(tmp_path) as mcx:
        reader, writer = await asyncio.open_connection("127.0.0.1", mcx.ports["TCP"])
        writer.write(
            b"MESSAGE sip:mcptt@a.example SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\n"
            b"To: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\nContent-Length: 99999999\r\n\r\n"
        )
        assert (await reader.readline()).startswith(b"SIP/2.0 413 ")
        writer.close()
        await writer.wait_closed()
        assert mcx.server.endpoint.counters.malformed == 1


async def test_the_core_speaks_for_its_users_and_nobody_without_identity(tmp_path: Path) -> None:
    settings = EndpointSettings(trust=LOOPBACK)
    async with running(tmp_path, sip=settings) as mcx, phone(mcx) as core:
        parts = core.authorisation()
        content_type, body = multipart.encode(parts)
        inner = make_request(
            "REGISTER",
            f"sip:{DOMAIN}",
            from_=ALICE,
            headers=[("Via", "SIP/2.0/TCP ue;branch=z9hG4bKx"), ("Contact", "<sip:ue@192.0.2.1>")],
            body=body,
            content_type=content_type,
        )
        forwarded = (Part("message/sip", encode(inner)),)
        response = await core.ask("REGISTER", forwarded, (("Expires", "600"),), from_="sip:scscf@a.example")
        assert response.status == 200
        assert mcx.server.function.users.get(ALICE) is not None
        publish = core.protected(core.groups(GROUP))
        asserted = (("P-Asserted-Identity", f"<{ALICE}>"),)
        headers = mc_sip.publication("presence", 60)
        assert (await core.ask("PUBLISH", publish, (*headers, *asserted))).status == 200
        mcx.events.clear()
        await refused(mcx, await core.ask("PUBLISH", publish, headers), 403, "server.sender", 100)
