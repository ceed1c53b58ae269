"""Where messages are acted on: a client's inbox, the bodies of MCPTT's SIP messages, tokens, a KMS's answers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from mcsec.client.announcement import Announcements
from mcsec.client.inbox import Arrival, Inbox
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.ids import KeyId
from mcsec.net.issuer import LocalIssuer
from mcsec.net.kms.exchange import Exchange
from mcsec.net.tokens import Issuer, TokenValidator, bearer, read_jwks
from mcsec.wire import mc_bodies, multipart
from mcsec.wire.mbms_usage import MbmsUsage
from mcsec.wire.mc_sip import McpttWarning, from_server, read_warning
from mcsec.wire.media_type import MediaType
from mcsec.wire.multipart import Part
from mcsec.wire.xmlsec import XmlKeys

from .documents import ANNOUNCED, INFO, PRESENCE, RESPONSES, USAGE, XPK, body, xpk
from .driver import Target
from .security import MDSI, NOW, OURS, PUBLIC, USER, client, never, text

PSI = "sip:mcptt@a.example"
SERVICE = next(value for name, value in from_server(PSI) if name == "P-Asserted-Service")
CLEAR = dataclasses.replace(INFO, calling_user_id=USER.uri)
ANNOUNCEMENT = MbmsUsage(announcements=USAGE.announcements)


def written(*parts: Part) -> bytes:
    content_type, octets = multipart.encode(parts)
    return content_type.encode() + b"\n" + octets


BODIES = [
    written(*mc_bodies.key_download(USER.uri, OURS[0])),
    written(*mc_bodies.announcement(USER.uri, ANNOUNCED.session, ANNOUNCEMENT)),
    written(*mc_bodies.announcement(USER.uri, None, ANNOUNCEMENT)),
    written(*mc_bodies.authorisation(CLEAR, OURS[0], settings=True)),
    written(*mc_bodies.affiliations(CLEAR, PRESENCE)),
    written(*mc_bodies.report(CLEAR, USAGE)),
]
PROTECTED = [
    written(*mc_bodies.protect(mc_bodies.key_download(USER.uri, OURS[0]), XPK, "a.example")),
    written(*mc_bodies.protect(mc_bodies.report(CLEAR, USAGE), XPK, "a.example")),
]


def inbox(octets: bytes) -> object:
    """A MESSAGE from our own server to a client of its own, who shares no XML keys yet."""
    engine = client(with_keys=False)
    profile = Profile(
        mc_service_id=USER.uri,
        impu=USER.uri,
        client_id="c1",
        registrar="sip:a.example",
        psi=PSI,
        server=engine.server,
    )
    content_type, _, content = octets.partition(b"\n")
    arrival = Arrival(SERVICE, (PSI,), text(content_type), content)
    return Inbox(profile, engine, Announcements(engine, RadioSide(1))).message(arrival, NOW)


def lookup(key_id: KeyId) -> XmlKeys:
    return xpk(key_id)


ISSUER = LocalIssuer.generate("https://id.a.example")
TOKEN = ISSUER.issue(USER.uri, audience=MDSI, scopes=["a", "b"], now=NOW)


def token(octets: bytes) -> object:
    async def jwks() -> Mapping[str, Any]:
        return ISSUER.jwks()

    validator = TokenValidator([Issuer(ISSUER.name, (MDSI,), jwks)])
    # Nothing is waited for, so the first step is the last.
    step = validator.validate(text(octets), NOW)
    try:
        step.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the validation waits for something")


def kms_answer(octets: bytes) -> object:
    exchange = Exchange(PUBLIC.kms_uri, "sip:alice@a.example", protection=False)
    return exchange.open(exchange.ask("https://kms/", None, NOW), 200, octets, NOW)


WARNINGS = [warning.header("a.example")[1].encode() for warning in McpttWarning]

TARGETS = (
    Target("client.inbox", inbox, BODIES),
    Target("mc-bodies", lambda octets: mc_bodies.read(body(octets), lookup), [*BODIES, *PROTECTED]),
    Target(
        "mc-bodies.protected", lambda octets: mc_bodies.read(body(octets), lookup, protected=True), PROTECTED
    ),
    Target("mc-sip.warning", lambda octets: never(read_warning, text(octets)), WARNINGS),
    Target(
        "media-type", lambda octets: MediaType.parse(text(octets)), [b'multipart/mixed;boundary="a b";x=y']
    ),
    Target("token", token, [TOKEN.encode()]),
    Target("token.header", lambda octets: bearer(text(octets)), [f"Bearer {TOKEN}".encode()]),
    Target("token.jwks", read_jwks, [json.dumps(ISSUER.jwks()).encode()]),
    Target("kms.answer", kms_answer, RESPONSES),
)
