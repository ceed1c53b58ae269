"""Telephones that cost little: they answer an MCX server's INVITEs from octets, call, press and release.

One process plays all of them behind one SIP connection, as behind a gateway, and one UDP port. They read what they
need and no more, so that the server beside them is what is measured: the body of an INVITE is searched for its floor
line, and a packet of floor control is opened only while its receiver waits for one.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Address
from typing import cast

from mcsec.crypto.secret import Secret
from mcsec.crypto.srtp import SrtcpReceiver, SrtcpSender, SrtpProfile
from mcsec.errors import PeerError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key, Maker, Scope
from mcsec.keys.kinds import kind_of
from mcsec.net.sip.framing import StreamFramer
from mcsec.wire import mc_bodies, mcptt_info, multipart, rtcp, sdp
from mcsec.wire.codecs import SPOKEN, audio_line
from mcsec.wire.mc_sip import ICSI
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.rtcp.floor import FloorGranted, FloorMessage, FloorRelease, FloorRequest
from mcsec.wire.sdp import Connection, Session
from mcsec.wire.sdp_mcptt import FloorParameters, floor_line
from mcsec.wire.xmlsec import XmlKeys

DOMAIN = "bench.example"
PSI = f"sip:mcptt@{DOMAIN}"
_HEADERS = re.compile(rb"(?:Via|From|To|Call-ID|CSeq): [^\r\n]*\r\n")
_FLOOR = re.compile(rb"\r\nm=application (\d+) udp MCPTT\r\n")
_CSEQ = re.compile(rb"\r\nCSeq: \d+ ([A-Z]+)\r\n")
_TO = re.compile(rb"\r\nTo: ([^\r\n]*)\r\n")
_CONTACT = re.compile(rb"\r\nContact: <([^>\r\n]*)>")
_CALL_ID = re.compile(rb"\r\nCall-ID: ([^\r\n]*)\r\n")
_TAG = "gateway"
#: Octets of datagrams that may wait: everybody is told of everything at one port.
_BUFFER = 8 << 20
_INDEXES = 1 << 20


def group_of(number: int) -> str:
    """A group."""
    return f"sip:group{number}@{DOMAIN}"


def user_of(number: int, members: int) -> str:
    """A user; the first ``members`` are those of the first group, and so on."""
    return f"sip:g{number // members}u{number % members}@{DOMAIN}"


def csk_of(number: int, members: int, seed: bytes) -> Key:
    """The CSK of a user, which both processes of a run make from its seed. It protects nothing outside the run."""
    kind, user = kind_of(PurposeTag.CSK), user_of(number, members)
    drawn = sha256(seed + number.to_bytes(4)).digest()
    now = time.time()
    return Key(
        KeyId(PurposeTag.CSK << 28 | number + 1),
        Secret(drawn[: kind.octets]),
        drawn[-kind.rand_octets :],
        Scope.of(user),
        Maker(DOMAIN, user),
        now - 60,
        now - 60,
    )


@dataclass(slots=True)
class _Phone:
    """One user's telephone. ``pressed``: when it asked for the floor; 0.0: it does not wait."""

    number: int
    key: Key
    sender: SrtcpSender | None = None
    receiver: SrtcpReceiver | None = None
    pressed: float = 0.0


class Phones(asyncio.Protocol):
    """All telephones; the protocol of the one connection that the server opens.

    :ivar answered: of each group, how many are in its call. ``granted``: seconds from a press until Floor Granted had
        arrived. ``heard``: packets of floor control, opened or not.
    """

    def __init__(self, groups: int, members: int, seed: bytes, progressed: Callable[[], None]) -> None:
        """:param progressed: called when somebody more is in a call, or was granted the floor."""
        self._members, self._progressed = members, progressed
        self._phones = [_Phone(number, csk_of(number, members, seed)) for number in range(groups * members)]
        self._floors = [0] * groups
        self.answered = [0] * groups
        self.granted: list[float] = []
        self.heard = 0
        self.refused: list[str] = []
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._udp.setblocking(False)
        self._udp.bind(("127.0.0.1", 0))
        self._port: int = self._udp.getsockname()[1]
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._udp, self._floor_came)
        self._framer = StreamFramer()
        self.connected = asyncio.Event()
        self._transport: asyncio.WriteTransport | None = None

    def close(self) -> None:
        """No more."""
        self._loop.remove_reader(self._udp)
        self._udp.close()
        if self._transport is not None:
            self._transport.close()

    # --- SIP

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.WriteTransport, transport)
        host, port = transport.get_extra_info("sockname")[:2]
        self._local = f"{host}:{port}"
        self.connected.set()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        for message in self._framer.feed(data):
            if not isinstance(message, bytes):
                continue
            if message.startswith(b"SIP/2.0 "):
                self._response(message)
            elif message.startswith(b"INVITE "):
                self._invited(message)
            elif message.startswith(b"ACK "):
                self._in_call(self._number(message[4 : message.index(b" ", 4)]))
            else:
                self._write(self._answer(message))

    def call(self, group: int) -> None:
        """The first member of a group calls it."""
        number = group * self._members
        phone, user = self._phones[number], user_of(number, self._members)
        info = McpttInfo(session_type="prearranged", request_uri=group_of(group))
        parts = (
            Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info)),
            Part(sdp.CONTENT_TYPE, self._description(number)),
        )
        keys = XmlKeys.derive(phone.key.secret, phone.key.key_id, user)
        content_type, body = multipart.encode(mc_bodies.protect(parts, keys, DOMAIN))
        lines = (
            f"INVITE {PSI} SIP/2.0",
            f"Via: SIP/2.0/TCP {self._local};branch=z9hG4bK{number:08x};rport",
            "Max-Forwards: 70",
            f"From: <{user}>;tag=c{number}",
            f"To: <{PSI}>",
            f"Call-ID: c{number}@{DOMAIN}",
            "CSeq: 1 INVITE",
            f"Contact: <{self._contact(user)}>",
            f"P-Asserted-Identity: <{user}>",
            f"P-Preferred-Service: {ICSI}",
            "Supported: timer",
            f"Content-Type: {content_type}",
            f"Content-Length: {len(body)}",
        )
        self._write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def _invited(self, request: bytes) -> None:
        number = self._number(request[7 : request.index(b" ", 7)])
        self._learn(number, request)
        body = self._description(number)
        head = self._answer(request)[: -len(b"Content-Length: 0\r\n\r\n")]
        contact = self._contact(user_of(number, self._members))
        more = (
            f"Contact: <{contact}>\r\nRequire: timer\r\nSession-Expires: 1800;refresher=uac\r\n"
            f"Content-Type: {sdp.CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._write(head + more.encode() + body)

    def _response(self, response: bytes) -> None:
        found = _CSEQ.search(response)
        if found is None or found[1] != b"INVITE" or response.startswith(b"SIP/2.0 1"):
            return
        to, contact, call_id = (pattern.search(response) for pattern in (_TO, _CONTACT, _CALL_ID))
        assert to is not None
        assert call_id is not None
        number = int(call_id[1][1 : call_id[1].index(b"@")])
        if not response.startswith(b"SIP/2.0 2") or contact is None:
            self.refused.append(response[8:40].split(b"\r\n")[0].decode())
            self._progressed()
            return
        self._learn(number, response)
        user = user_of(number, self._members)
        lines = (
            f"ACK {contact[1].decode()} SIP/2.0",
            f"Via: SIP/2.0/TCP {self._local};branch=z9hG4bKa{number:08x};rport",
            "Max-Forwards: 70",
            f"From: <{user}>;tag=c{number}",
            f"To: {to[1].decode()}",
            f"Call-ID: {call_id[1].decode()}",
            "CSeq: 1 ACK",
            "Content-Length: 0",
        )
        self._write("\r\n".join(lines).encode() + b"\r\n\r\n")
        self._in_call(number)

    def _answer(self, request: bytes) -> bytes:
        copied = b"".join(_HEADERS.findall(request))
        head, to, rest = copied.partition(b"To: ")
        line, end, rest = rest.partition(b"\r\n")
        tagged = line if b";tag=" in line else line + b";tag=" + _TAG.encode()
        return b"SIP/2.0 200 OK\r\n" + head + to + tagged + end + rest + b"Content-Length: 0\r\n\r\n"

    def _write(self, octets: bytes) -> None:
        assert self._transport is not None
        self._transport.write(octets)

    def _contact(self, user: str) -> str:
        return f"{user.partition('@')[0]}@{self._local};transport=tcp"

    def _number(self, uri: bytes) -> int:
        """Whose Contact or public user identity a URI is: ``sip:g<group>u<member>@...``."""
        group, _, member = uri[len(b"sip:g") : uri.index(b"@")].partition(b"u")
        return int(group) * self._members + int(member)

    def _in_call(self, number: int) -> None:
        self.answered[number // self._members] += 1
        self._progressed()

    def _description(self, number: int) -> bytes:
        where = Connection(IPv4Address("127.0.0.1"))
        parameters = FloorParameters(queueing=True, ssrc=number + 1)
        lines = (audio_line(SPOKEN, "RTP/SAVP", self._port), floor_line(self._port, parameters))
        return sdp.encode(Session(f"- {number + 1} 1 IN IP4 127.0.0.1", connection=where, media=lines))

    def _learn(self, number: int, message: bytes) -> None:
        found = _FLOOR.search(message)
        if found is not None:
            self._floors[number // self._members] = int(found[1])

    # --- the floor

    def press(self, number: int) -> None:
        """A user wants to talk."""
        phone = self._phones[number]
        phone.pressed = time.perf_counter()
        self._say(phone, FloorRequest(ssrc=number + 1))

    def release(self, number: int) -> None:
        """A user talks no longer."""
        self._say(self._phones[number], FloorRelease(ssrc=number + 1))

    def waits(self, number: int) -> bool:
        """Whether a user pressed and was not granted the floor yet."""
        return self._phones[number].pressed > 0.0

    def _say(self, phone: _Phone, message: FloorMessage) -> None:
        if phone.sender is None:
            phone.sender = SrtcpSender(
                SrtpProfile.AEAD_AES_128_GCM,
                phone.number + 1,
                *phone.key.srtp_material(),
                first=1,
                last=_INDEXES,
            )
        packet = phone.sender.protect(rtcp.encode(message))
        self._udp.sendto(packet.octets, ("127.0.0.1", self._floors[phone.number // self._members]))

    def _floor_came(self) -> None:
        for _ in range(256):
            try:
                octets, _ = self._udp.recvfrom(2048)
            except BlockingIOError:
                return
            self.heard += 1
            phone = self._phones[(int.from_bytes(octets[-4:]) & 0x0FFFFFFF) - 1]
            if phone.pressed:
                self._open(phone, octets)

    def _open(self, phone: _Phone, octets: bytes) -> None:
        if phone.receiver is None:
            phone.receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
            phone.receiver.add_key(*phone.key.srtp_material())
        try:
            messages = rtcp.decode(phone.receiver.unprotect(octets).octets)
        except PeerError as error:
            self.refused.append(error.code)
            return
        if any(isinstance(message, FloorGranted) for message in messages):
            self.granted.append(time.perf_counter() - phone.pressed)
            phone.pressed = 0.0
            self._progressed()
