"""The UDP socket when it is full, and what peers and their certificates are called."""

from __future__ import annotations

import errno
import socket

import pytest

from mcsec.errors import InvalidValue
from mcsec.net.sip.errors import Unreachable
from mcsec.net.sip.peer import Hop, certificate_names, contact_uri
from mcsec.net.sip.udp import UdpSocket
from mcsec.net.sip.uri import Uri
from support.waiting import until


class FullSocket:
    """A socket that takes nothing for a while."""

    family = socket.AF_INET

    def __init__(self, real: socket.socket) -> None:
        self.real = real
        self.full = True
        self.failure: OSError | None = None

    def sendto(self, octets: bytes, address: tuple[str, int]) -> int:
        if self.failure is not None:
            raise self.failure
        if self.full:
            raise BlockingIOError
        return self.real.sendto(octets, address)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


@pytest.mark.anyio
async def test_a_full_socket_queues_a_little_and_loses_the_rest() -> None:
    got: list[bytes] = []
    receiver = UdpSocket.bind("127.0.0.1", 0, lambda octets, host, port: got.append(octets))
    real = socket.socket(type=socket.SOCK_DGRAM)
    real.bind(("127.0.0.1", 0))
    real.setblocking(False)
    full = FullSocket(real)
    sender = UdpSocket(full, lambda octets, host, port: None)  # type: ignore[arg-type]  # a socket in disguise
    for number in range(300):
        sender.send(b"%d" % number, *receiver.address)
    assert sender.lost == 44
    full.full = False
    await until(lambda: len(got) >= 256)
    assert got == [b"%d" % number for number in range(256)]
    full.full = True
    sender.send(b"unreachable", *receiver.address)
    full.failure = OSError(errno.ENETUNREACH, "no way")
    await until(lambda: sender.lost == 45)
    with pytest.raises(Unreachable, match="no way"):
        sender.send(b"x", *receiver.address)
    full.failure = None
    full.full = False
    with pytest.raises(Unreachable):
        sender.send(b"x" * 70_000, *receiver.address)
    sender.close()
    sender.close()
    receiver.close()


@pytest.mark.anyio
async def test_an_address_that_is_not_ours_cannot_be_bound() -> None:
    with pytest.raises(OSError, match="assign"):
        UdpSocket.bind("192.0.2.1", 0, lambda octets, host, port: None)


def test_names_of_certificates() -> None:
    subject = ((("commonName", "Core.MC.Example"),),)
    assert certificate_names({"subject": subject}) == {"core.mc.example"}
    alternatives = (("DNS", "A.example"), ("URI", "sip:a.example"), ("IP Address", "192.0.2.1"))
    assert certificate_names({"subject": subject, "subjectAltName": alternatives}) == {
        "a.example",
        "sip:a.example",
    }
    assert certificate_names({}) == certificate_names(None) == frozenset()


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:h", Hop("UDP", "h", 5060, "h")),
        ("sip:h:7;transport=TCP", Hop("TCP", "h", 7, "h")),
        ("sips:a@h", Hop("TLS", "h", 5061, "h")),
        ("sip:[2001:db8::1];transport=tls", Hop("TLS", "2001:db8::1", 5061, "2001:db8::1")),
        ("sip:h;maddr=192.0.2.1", Hop("UDP", "192.0.2.1", 5060, "h")),
    ],
)
def test_uris_name_hops(uri: str, hop: Hop) -> None:
    assert Hop.of(Uri.decode(uri)) == hop


@pytest.mark.parametrize("uri", ["tel:+1", "urn:x:y", "sip:h;transport=sctp"])
def test_some_uris_name_none(uri: str) -> None:
    with pytest.raises(InvalidValue):
        Hop.of(Uri.decode(uri))


def test_our_contacts() -> None:
    assert contact_uri("a", "[::1]", 5070, "UDP").encode() == "sip:a@[::1]:5070"
    assert contact_uri(None, "h", 5071, "TLS").encode() == "sip:h:5071;transport=tls"
