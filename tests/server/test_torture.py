"""RFC 4475 at a whole server, from a socket: nothing falls over, what is refused is refused as the RFC says."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from support.mc_server import running
from support.sip_raw import RawUdp
from support.torture import INVALID, OPTIONS, VALID, made

pytestmark = pytest.mark.anyio

#: What the application layer answers (RFC 4475 3.3).
ANSWERS = {
    "unkscm": 416,
    "novelsc": 416,
    "bext01": 420,
    # A REGISTER whose From and To differ, and no trusted neighbour's.
    "regaut01": 403,
    "escnull": 403,
    "zeromf": 200,
    "semiuri": 200,
    "transports": 200,
    "badvers": 505,
    "mcl01": 400,
    "mismatch01": 400,
    "test": 405,
}
#: No answer is due, because they answer nothing of ours; or none can be made, because what it would copy is not there
#: or is there twice.
SILENT = {"unreason", "noreason", "bcast", "bigcode", "scalarlg", "insuf", "multi01"}


def answered_here(octets: bytes) -> bytes:
    """The same message, with a Via that the answer comes back by."""
    return octets.replace(b"SIP/2.0/UDP host.example;", b"SIP/2.0/UDP 127.0.0.1;rport;")


async def statuses(raw: RawUdp, octets: bytes) -> list[int]:
    raw.send(octets)
    raw.socket.settimeout(0.3)
    found = []
    try:
        while not found or found[-1] < 200:
            # What is copied from a broken request cannot be read; the status can.
            found.append(int((await raw.receive()).split(b" ")[1]))
    except TimeoutError:
        pass
    return found


async def test_a_server_stands_it_all(tmp_path: Path) -> None:
    async with running(tmp_path, transports=("UDP",)) as mcx:
        port = mcx.ports["UDP"]
        got: dict[str, list[int]] = {}
        messages = VALID | {name: octets for name, (octets, _) in INVALID.items()}

        async def say(name: str, octets: bytes) -> None:
            # Each from a port of its own, as a transaction and a call of its own.
            short = name.encode().replace(b"-", b"")
            own = answered_here(octets).replace(b"kdjuw", short).replace(b"torture.", short)
            with RawUdp(port) as raw:
                got[name] = await statuses(raw, own)

        await asyncio.gather(*(say(name, octets) for name, octets in messages.items()))
        counters = mcx.server.endpoint.counters
        assert counters.handlers_failed == 0
        final = {name: found[-1] if found else None for name, found in got.items()}
        assert {name: final[name] for name in ANSWERS} == ANSWERS
        assert not [name for name in SILENT if final[name] is not None]
        # Those that cannot be read change nothing, each is counted, and nobody is registered by one.
        assert counters.malformed == len(INVALID)
        assert len(mcx.server.function.users) == 0
        with RawUdp(port) as raw:
            assert await statuses(raw, answered_here(made(OPTIONS))) == [200]
