"""Everything that can arrive at a client and must not count: one answer, one event, one counter, nothing changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

import pytest

from mcsec.client.events import MessageRefused
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.key import Key, Scope
from mcsec.net.sip.message import Response
from mcsec.wire import mbms_usage, mc_bodies, mikey_body, multipart, sdp
from mcsec.wire.mbms_usage import Listening, MbmsUsage
from mcsec.wire.mc_sip import Lines, from_server
from mcsec.wire.multipart import Part
from support.downloads import flipped
from support.mc_clients import ALICE, BOB, GROUP, Heard, Pair, pair
from support.scripted_mcx import MDSI, PSI, TMGI, announcing, fresh_key, initiator, key_message

pytestmark = pytest.mark.anyio

MSCCK_SCOPE = Scope.of(str(TMGI))
W136 = '399 a.example "136 authentication of the MIKEY-SAKE I_MESSAGE failed"'
W139 = '399 a.example "139 integrity protection check failed"'
W140 = '399 a.example "140 unable to decrypt XML content"'


def musik(**options: float) -> Key:
    return fresh_key(PurposeTag.MUSIK, Scope.of(GROUP), **options)


def download(message: bytes, user: str = ALICE) -> tuple[Part, ...]:
    return mc_bodies.key_download(user, message)


def signed_by(uri: str) -> bytes:
    return key_message(musik(), ALICE, by=uri)


def announcement(message: bytes | None, **more: object) -> tuple[Part, ...]:
    session, usage = announcing(TMGI, (7,), message, **more)  # type: ignore[arg-type]  # passed on
    return mc_bodies.announcement(ALICE, session, usage)


def mscck() -> bytes:
    return key_message(fresh_key(PurposeTag.MSCCK, MSCCK_SCOPE), ALICE)


def usage_only(usage: MbmsUsage) -> tuple[Part, ...]:
    return mc_bodies.announcement(ALICE, None, usage)


def with_part(parts: Sequence[Part], essence: str, body: bytes) -> tuple[Part, ...]:
    return tuple(replace(part, body=body) if part.essence == essence else part for part in parts)


def twice() -> MbmsUsage:
    _, usage = announcing()
    return replace(usage, announcements=usage.announcements * 2)


@dataclass(frozen=True)
class Bad:
    """What is sent, and what it earns."""

    parts: Callable[[], Sequence[Part]]
    status: int
    code: str
    warning: str | None = None
    headers: Lines | None = None
    protect: bool = True


REFUSED = {
    # Who sends, and for whom (E.4 item 1).
    "no service asserted": Bad(lambda: download(signed_by(MDSI)), 488, "client.not-mcptt", headers=()),
    "another service": Bad(
        lambda: download(signed_by(MDSI)),
        488,
        "client.not-mcptt",
        headers=(
            ("P-Asserted-Identity", f"<{PSI}>"),
            ("P-Asserted-Service", "urn:urn-7:3gpp-service.ims.icsi.mmtel"),
        ),
    ),
    "another function": Bad(
        lambda: download(signed_by(MDSI)),
        403,
        "client.not-our-server",
        '399 a.example "100 function not allowed due to the request itself"',
        headers=from_server("sip:mcptt@b.example"),
    ),
    "no function": Bad(
        lambda: download(signed_by(MDSI)),
        403,
        "client.not-our-server",
        headers=from_server(PSI)[1:],
    ),
    "asserted identity is none": Bad(
        lambda: download(signed_by(MDSI)),
        400,
        "sip.message",
        headers=(("P-Asserted-Identity", "<<"), *from_server(PSI)[1:]),
    ),
    "for another user": Bad(lambda: download(signed_by(MDSI), BOB), 404, "client.not-us"),
    # Protection of the XML.
    "not signed": Bad(lambda: download(signed_by(MDSI)), 403, "mc-body.unprotected", W139, protect=False),
    # The MIKEY message (E.4 items 2 to 8).
    "message for another user": Bad(
        lambda: download(key_message(musik(), BOB)), 488, "mikey.wrong-receiver", W136
    ),
    "signed by another user": Bad(lambda: download(signed_by(BOB)), 488, "mikey.wrong-sender", W136),
    "signed by another server": Bad(
        lambda: download(signed_by("mcx.b.example")), 488, "mikey.wrong-sender", W136
    ),
    "stale": Bad(
        lambda: download(key_message(musik(), ALICE, now=time.time() - 7200)), 488, "mikey.stale", W136
    ),
    "from the future": Bad(
        lambda: download(key_message(musik(), ALICE, now=time.time() + 3600)), 488, "mikey.early", W136
    ),
    "one bit changed": Bad(lambda: download(flipped(signed_by(MDSI), -1)), 488, "mikey.signature", W136),
    "key of another user": Bad(lambda: download(_for_another_uid()), 488, "mikey.sakke", W136),
    "MSCCK in a key download": Bad(lambda: download(mscck()), 488, "mikey.purpose", W136),
    "GMK of the server": Bad(
        lambda: download(key_message(fresh_key(PurposeTag.GMK, Scope.of(GROUP)), ALICE)),
        488,
        "mikey.purpose",
        W136,
    ),
    "expired": Bad(
        lambda: download(
            key_message(fresh_key(PurposeTag.MUSIK, lifetime=0.001, activation=time.time() - 60), ALICE)
        ),
        488,
        "mikey.expired",
        W136,
    ),
    "cut short": Bad(lambda: download(signed_by(MDSI)[:200]), 488, "mikey.malformed", W136),
    "several keys": Bad(
        lambda: (*download(signed_by(MDSI)), mikey_body.encode(signed_by(MDSI))), 400, "client.ambiguous"
    ),
    "no MIKEY at all": Bad(
        lambda: with_part(download(signed_by(MDSI)), mikey_body.CONTENT_TYPE, b"hello"), 400, "mime.base64"
    ),
    # Announcements.
    "MuSiK in an announcement": Bad(lambda: announcement(signed_by(MDSI)), 488, "mikey.purpose", W136),
    "MSCCK signed by another": Bad(
        lambda: announcement(key_message(fresh_key(PurposeTag.MSCCK, MSCCK_SCOPE), ALICE, by=BOB)),
        488,
        "mikey.wrong-sender",
        W136,
    ),
    "no description": Bad(
        lambda: usage_only(announcing()[1]),
        488,
        "client.no-description",
        '399 a.example "the bearer was never described"',
    ),
    "unicast subchannel": Bad(
        lambda: announcement(mscck(), place=(IPv4Address("192.0.2.1"), 42001)), 488, "client.not-multicast"
    ),
    "a bearer twice": Bad(lambda: usage_only(twice()), 400, "client.ambiguous"),
    "announcement and download": Bad(
        lambda: (*announcement(mscck()), mikey_body.encode(signed_by(MDSI))), 400, "client.ambiguous"
    ),
    "a description of nothing": Bad(
        lambda: mc_bodies.announcement(ALICE, announcing()[0], announcing(areas=None)[1]),
        400,
        "client.ambiguous",
    ),
    "key-mgmt that is no base64": Bad(
        lambda: with_part(
            announcement(mscck()),
            sdp.CONTENT_TYPE,
            _broken_key_line(),
        ),
        400,
        "mime.base64",
    ),
    "SDP that is none": Bad(
        lambda: with_part(announcement(mscck()), sdp.CONTENT_TYPE, b"hello"), 400, "sdp.malformed"
    ),
    "usage-info that is none": Bad(
        lambda: with_part(announcement(None), mbms_usage.CONTENT_TYPE, b"<x"), 400, "xml.malformed"
    ),
    # Nothing that is understood.
    "a listening report": Bad(
        lambda: usage_only(MbmsUsage(listening=Listening(listening=True, tmgis=(TMGI,)))),
        415,
        "client.not-understood",
    ),
    "text": Bad(lambda: [Part("text/plain", b"hello")], 415, "client.not-understood"),
}


def _broken_key_line() -> bytes:
    session, _ = announcing(message=signed_by(MDSI))
    assert session is not None
    octets = sdp.encode(session)
    return octets.replace(b"a=key-mgmt:mikey ", b"a=key-mgmt:mikey !")


def _for_another_uid() -> bytes:
    """IDRr is Alice, but the key is encapsulated to somebody else."""
    from mcsec.mikey.message import IMessage, encode_chain
    from mcsec.mikey.payloads import SIGN_HEADER, Sakke

    key = musik()
    message, other = IMessage.decode(key_message(key, ALICE)), IMessage.decode(key_message(key, BOB))
    parts = [other.sakke if isinstance(old, Sakke) else old for old in message.payloads]
    signed = encode_chain(message.header, [(part.type, part.encode()) for part in parts]) + SIGN_HEADER
    return signed + initiator().keys.signer.sign(signed)


async def sent(both: Pair, bad: Bad) -> Response:
    return await both.mcx.send(ALICE, bad.parts(), headers=bad.headers, protect=bad.protect)


def state(heard: Heard) -> object:
    client = heard.client
    return (client.engine.keyring.keys, client._announcements.bearers, client._radio.listening)


@pytest.mark.parametrize("name", REFUSED)
async def test_is_refused_and_changes_nothing(name: str) -> None:
    bad = REFUSED[name]
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on([GROUP])
        before, events = state(alice), len(alice.events)
        response = await sent(both, bad)
        assert (response.status, [*alice.client.refused]) == (bad.status, [bad.code])
        if bad.warning is not None:
            assert response.headers.get("Warning") == bad.warning
        if bad.status == 415:
            assert "application/mikey" in (response.headers.get("Accept") or "")
        (event,) = alice.events[events:]
        assert isinstance(event, MessageRefused)
        assert (event.status, event.code) == (bad.status, bad.code)
        assert alice.client.refused.total() == 1
        assert alice.client.taken == 0
        assert state(alice) == before
        assert not both.host.airwaves.groups
        # And the client goes on.
        assert (await both.mcx.download(ALICE, musik())).status == 200


#: Messages with two faults: the check that comes first in E.4 tells.
IN_ORDER = {
    "service before sender": Bad(
        lambda: download(signed_by(MDSI)),
        488,
        "client.not-mcptt",
        headers=from_server("sip:mcptt@b.example")[:1],
    ),
    "sender before protection": Bad(
        lambda: download(signed_by(MDSI)),
        403,
        "client.not-our-server",
        headers=from_server("sip:mcptt@b.example"),
        protect=False,
    ),
    "receiver before initiator": Bad(
        lambda: download(key_message(musik(), BOB, by="mcx.b.example")), 488, "mikey.wrong-receiver"
    ),
    "initiator before signature": Bad(
        lambda: download(flipped(signed_by(BOB), -1)), 488, "mikey.wrong-sender"
    ),
    "initiator before timestamp is the one exception": Bad(
        lambda: download(key_message(musik(), ALICE, by=BOB, now=time.time() - 7200)), 488, "mikey.stale"
    ),
    "signature before key": Bad(lambda: download(flipped(_for_another_uid(), -1)), 488, "mikey.signature"),
    "purpose before status": Bad(
        lambda: download(key_message(fresh_key(PurposeTag.MSCCK, MSCCK_SCOPE), ALICE, revoked=True)),
        488,
        "mikey.purpose",
    ),
}


@pytest.mark.parametrize("name", IN_ORDER)
async def test_checks_stand_in_order(name: str) -> None:
    bad = IN_ORDER[name]
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        assert (await sent(both, bad)).status == bad.status
        assert alice.client.refused == {bad.code: 1}


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code"),
    [
        ("multipart/mixed", b"x", 400, "mime.boundary"),
        ("multipart/mixed;boundary=b", b"--b\r\n\r\nx", 400, "mime.boundary"),
        ("multipart/mixed;boundary=b", b"--b\r\nno header\r\n\r\nx\r\n--b--\r\n", 400, "mime.headers"),
        ("application/mikey", b"\x01", 488, "mikey.malformed"),
        ("not a type", b"x", 400, "mime.content-type"),
    ],
)
async def test_broken_bodies(content_type: str, body: bytes, status: int, code: str) -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        response = await both.mcx.send(ALICE, [], content=(content_type, body))
        assert (response.status, alice.client.refused) == (status, {code: 1})


async def test_a_body_that_was_changed_after_it_was_signed() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        keys = both.mcx.current(ALICE)
        assert keys is not None
        parts = mc_bodies.protect(announcement(None), keys, "a.example")
        usage = next(part for part in parts if part.essence == mbms_usage.CONTENT_TYPE)
        changed = [replace(part, body=part.body + b" ") if part is usage else part for part in parts]
        response = await both.mcx.send(ALICE, [], content=multipart.encode(changed))
        assert (response.status, response.headers.get("Warning")) == (403, W139)
        assert alice.client.refused == {"signed-bodies.digest": 1}


async def test_xml_under_another_csk() -> None:
    async with pair() as both:
        alice, bob = both.add(ALICE), both.add(BOB)
        await alice.client.log_on()
        await bob.client.log_on()
        response = await both.mcx.send(ALICE, download(signed_by(MDSI)), user=BOB)
        assert (response.status, response.headers.get("Warning")) == (403, W140)
        assert alice.client.refused == {"xmlsec.unknown-key": 1}


async def test_nobody_of_that_name_and_other_methods() -> None:
    async with pair() as both:
        alice = both.add()
        await alice.client.log_on()
        response = await both.mcx.send(ALICE, download(signed_by(MDSI)), uri="sip:nobody@127.0.0.1")
        assert response.status == 404
        assert not alice.client.refused


async def test_more_bearers_than_are_kept() -> None:
    async with pair() as both:
        alice = both.add(area=None)
        await alice.client.log_on()
        key = mscck()
        assert (await both.mcx.send(ALICE, announcement(key))).status == 200
        many = MbmsUsage(
            announcements=tuple(
                replace(announcing()[1].announcements[0], tmgi=Tmgi(number, "001", "01"), gpms=None)
                for number in range(64)
            )
        )
        response = await both.mcx.send(ALICE, usage_only(many))
        assert (response.status, alice.client.refused) == (488, {"client.too-many-bearers": 1})
        assert len(alice.client._announcements.bearers) == 1
