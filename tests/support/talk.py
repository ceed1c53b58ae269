"""What tests of Diameter engines say and look at: requests asked, answers seen, and the GCS AS's part played."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from mcsec.net.diameter.states import State
from mcsec.wire.diameter.base import Cer, ErrorAnswer
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode
from mcsec.wire.diameter.table import MB2C
from support.nodes import BMSC, GCS, MCX, OPERATOR, World, gar, peer

CER = Cer(
    origin_host=GCS,
    origin_realm=MCX,
    host_ip_address=(ip_address("127.0.0.1"),),
    vendor_id=0,
    product_name="test",
    auth_application_id=(MB2C,),
)


def bmsc(**options: Any) -> World:
    """A BM-SC alone; the test speaks for the GCS AS."""
    world = World()
    world.add(BMSC, OPERATOR, (peer(GCS, MCX),), **options)
    return world


def ask(world: World, message: Any = None, host: str = GCS, timeout: float = 10) -> int:
    """The number of a request that ``host`` sent."""
    number = world.engines[host].request(message or gar(), world.now, timeout)
    world.run()
    return number


def error_of(world: World, message: Any = None) -> Any:
    """Why a request of the GCS AS failed."""
    number = ask(world, message)
    return world.failed(GCS)[number]


def answer_of(world: World) -> Any:
    """What a request of the GCS AS brought."""
    number = ask(world)
    return world.answered(GCS)[number]


def end_at(world: World, host: str) -> int:
    """The host's number of its only connection."""
    (number,) = [end[1] for end in world.links if end[0] == host]
    return number


def answers_of(world: World, host: str) -> list[bytes]:
    """Every answer that a host wrote."""
    return [octets for sender, octets in world.written if sender == host and not octets[4] & 0x80]


def hear(world: World, host: str) -> bytes:
    """The last message that a host wrote."""
    return [octets for sender, octets in world.written if sender == host][-1]


def refused(world: World, octets: bytes) -> tuple[Header, ErrorAnswer]:
    """What the BM-SC answers to these octets of the GCS AS."""
    before = len(answers_of(world, BMSC))
    world.send(BMSC, end_at(world, BMSC), octets)
    (answer,) = answers_of(world, BMSC)[before:]
    return decode(answer, ErrorAnswer)


def state_of(world: World, host: str, other: str) -> State:
    """How things stand with a peer."""
    return world.engines[host].peers[other].state
