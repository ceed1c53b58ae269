"""SIP: messages, streams of them, and the values in their headers."""

from __future__ import annotations

from collections.abc import Callable

from mcsec.net.sip.compose import answer_to_bad, make_response
from mcsec.net.sip.digest import DigestFields
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.framing import StreamFramer
from mcsec.net.sip.grammar import Params, split
from mcsec.net.sip.message import Request, decode, encode
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import CSeq, NameAddr, Via
from mcsec.net.sip.vetting import Abilities, objection, stamped

from .documents import BODY, BODY_TYPE
from .driver import Target
from .security import text

HEADERS = """Via: SIP/2.0/UDP host.example;branch=z9hG4bKkdjuw;rport, SIP/2.0/TLS [2001:db8::1]:5061;branch=a
From: "Caller" <sip:caller@example.net;user=phone>;tag=34525
To: <sip:user@example.com>
Call-ID: 0ha0isndaksdj@192.0.2.1
CSeq: 8 {method}
Max-Forwards: 70
Require: timer
P-Asserted-Identity: <sip:mcx@example.com>
Contact: <sip:caller@192.0.2.4:5060;transport=tcp>;expires=60;+g.3gpp.mcptt
Authorization: Digest username="a", realm="b", nonce="c", uri="sip:d", response="e", qop=auth, nc=00000001
{type}
"""


def made(first: str, method: str, body: bytes = b"") -> bytes:
    content_type = f"Content-Type: {BODY_TYPE}" if body else "Event: presence"
    head = (
        first + "\n" + HEADERS.format(method=method, type=content_type) + f"Content-Length: {len(body)}\n\n"
    )
    return head.replace("\n", "\r\n").encode() + body


MESSAGES = [
    made("MESSAGE sip:user@example.com SIP/2.0", "MESSAGE", BODY),
    made("INVITE sip:user@example.com;transport=tcp?a=b SIP/2.0", "INVITE"),
    made("OPTIONS tel:+49123 SIP/2.0", "OPTIONS"),
    made("SIP/2.0 200 OK", "REGISTER"),
    made("SIP/2.0 488 Not Acceptable Here", "MESSAGE"),
]
PEER = Peer("udp", "192.0.2.9", 5070, 1)


def acted_on(octets: bytes) -> object:
    """A datagram as far as its answer: what is broken is answered too, and every answer can be written."""
    try:
        message = decode(octets)
    except BadMessage as error:
        answer = answer_to_bad(error)
        if answer is not None:
            encode(answer)
        raise
    if not isinstance(message, Request):
        return message
    request, _ = stamped(message, PEER)
    return encode(objection(request, Abilities()) or make_response(request, 200))


def stream(octets: bytes) -> object:
    framer = StreamFramer()
    half = len(octets) // 2
    return [*framer.feed(octets[:half]), *framer.feed(octets[half:])]


def of_text(name: str, read: Callable[[str], object], *seeds: str) -> Target:
    return Target(f"sip.{name}", lambda octets: read(text(octets)), [seed.encode() for seed in seeds])


TARGETS = (
    Target("sip.datagram", acted_on, MESSAGES),
    Target("sip.one-of-a-stream", lambda octets: decode(octets, stream=True), MESSAGES),
    Target("sip.stream", stream, [*MESSAGES, b"\r\n\r\n" + MESSAGES[0] + b"\r\n" + MESSAGES[1]]),
    of_text("uri", Uri.decode, "sip:a:b@[2001:db8::1]:5061;lr;p=%41?h=v", "tel:+49123;phone-context=x"),
    of_text("address", NameAddr.decode, '"A \\" B" <sip:a@b;lr>;tag=1;q=0.5', "sip:a@b;tag=1", "*"),
    of_text("via", Via.decode, "SIP / 2.0 / UDP [2001:db8::1]:5060;branch=z9hG4bK1;received=::1"),
    of_text("cseq", CSeq.decode, "314159 INVITE"),
    of_text("digest", DigestFields.decode, 'Digest realm="a, b", nonce=x, qop="auth,auth-int", stale=FALSE'),
    of_text("parameters", Params.decode, ';a=b;c="d;e";f'),
    of_text("list", lambda value: split(value, ","), '"a,b" <c,d>, e'),
)
