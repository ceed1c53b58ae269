"""RFC 4475 at a whole server, from a socket: nothing falls over, what is refused is refused as the RFC says."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from support.mc_server import running
from support.sip_raw import RawUdp
from support.torture import INVALID, OPTIONS, VALID, made
from support.waiting import until

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


async def statuses(raw: RawUdp, *, wait: bool = True) -> list[int]:
    """What comes up to a final answer, or is here already."""
    found: list[int] = []
    while not found or found[-1] < 200:
        octets = await raw.receive() if wait else raw.at_hand()
        if not octets:
            break
        # What is copied from a broken request cannot be read; the status can.
        found.append(int(octets.split(b" ")[1]))
    return found


async def test_a_server_stands_it_all(tmp_path: Path) -> None:
    async with running(tmp_path, transports=("UDP",)) as mcx:
        port = mcx.ports["UDP"]
        messages = VALID | {name: octets for name, (octets, _) in INVALID.items()}
        with ExitStack() as stack:
            # Each from a port of its own, as a transaction and a call of its own.
            raws = {name: stack.enter_context(RawUdp(port)) for name in messages}
            for name, octets in messages.items():
                short = name.encode().replace(b"-", b"")
                raws[name].send(answered_here(octets).replace(b"kdjuw", short).replace(b"torture.", short))
            got = {name: await statuses(raws[name]) for name in ANSWERS}
            counters = mcx.server.endpoint.counters
            # Those that cannot be read change nothing, each is counted, and nobody is registered by one.
            await until(lambda: counters.malformed >= len(INVALID))
            # What is asked last is answered last.
            with RawUdp(port) as raw:
                raw.send(answered_here(made(OPTIONS)))
                assert await statuses(raw) == [200]
            got |= {name: await statuses(raws[name], wait=False) for name in messages.keys() - ANSWERS.keys()}
        assert counters.handlers_failed == 0
        final = {name: found[-1] if found else None for name, found in got.items()}
        assert {name: final[name] for name in ANSWERS} == ANSWERS
        assert not [name for name in SILENT if final[name] is not None]
        assert counters.malformed == len(INVALID)
        assert len(mcx.server.function.users) == 0
