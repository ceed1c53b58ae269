"""MB2-U: whole IP packets, and nothing but what may go on a bearer."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import pytest

from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import Forbidden
from mcsec.net.mb2u import Mb2uSender
from mcsec.wire.mb2.userplane import Encapsulation, decode_inner
from support.waiting import PATIENCE

LOOPBACK = ip_address("127.0.0.1")
SOURCE = (LOOPBACK, 4000)
GROUP = (ip_address("239.1.2.3"), 40002)
MEDIA = ForwardedMedia(bytes.fromhex("8000000000000000aabbccdd") + b"speech")


@pytest.fixture
def bmsc():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(PATIENCE)
        yield made


def test_a_packet_travels_whole(bmsc: socket.socket) -> None:
    with Mb2uSender((LOOPBACK, bmsc.getsockname()[1]), source=SOURCE) as sender:
        sender.send(MEDIA, GROUP)
        octets = bmsc.recv(2048)
    inner = decode_inner(octets)
    assert (inner.destination, inner.destination_port) == GROUP
    assert (inner.source, inner.source_port) == SOURCE
    assert inner.payload == MEDIA.octets
    assert (sender.sent, sender.octets) == (1, len(octets))


def test_bare_payloads_by_the_switch(bmsc: socket.socket) -> None:
    place = (LOOPBACK, bmsc.getsockname()[1])
    with Mb2uSender(place, source=SOURCE, encapsulation=Encapsulation.BARE) as sender:
        sender.send(MEDIA, GROUP)
        assert bmsc.recv(2048) == MEDIA.octets


def test_clear_octets_do_not_leave(bmsc: socket.socket) -> None:
    with Mb2uSender((LOOPBACK, bmsc.getsockname()[1]), source=SOURCE) as sender:
        with pytest.raises(Forbidden):
            sender.send(b"clear", GROUP)  # type: ignore[arg-type]  # what the types forbid too
        assert sender.sent == 0


def test_a_bmsc_that_is_gone_costs_packets_and_no_error() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        port = gone.getsockname()[1]
    with Mb2uSender((LOOPBACK, port), source=SOURCE) as sender:
        for _ in range(20):
            sender.send(MEDIA, GROUP)
        assert sender.dropped > 0
        assert sender.sent + sender.dropped == 20
