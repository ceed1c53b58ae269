"""A rotation end to end beside SAKKE encapsulation alone, what the planner said before, and a start with that store.

The peer is a process of its own that answers 200 without opening anything. With PostgreSQL the database's own processes
work beside the server, on whatever core is left.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.ids import PurposeTag
from mcsec.keys.key import Scope
from mcsec.lab.bench import key_server
from mcsec.lab.bench.key_server import GROUP, one_core, peer
from mcsec.net.sip.peer import Hop
from mcsec.server import memory
from mcsec.store.address import Address
from mcsec.store.kek import Kek


@dataclass(frozen=True, slots=True)
class RotateReport:
    """Figures of one run. Rates are for each second on the wall, of the one core that the server has.

    ``planned`` and ``took`` are seconds of the rotation; ``start`` are seconds until a server with that store serves;
    ``resident`` is its memory in MiB, with everybody registered, after the rotation.
    """

    clients: int
    database: str
    encapsulations: float
    rotations: float
    share: float
    planned: float
    took: float
    start: float
    resident: float

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "clients": self.clients,
            "database": self.database,
            "clients_per_second": round(self.rotations, 1),
            "encapsulations_per_second_alone": round(self.encapsulations, 1),
            "share_of_encapsulation_alone": round(self.rotations / self.encapsulations, 3),
            "share_of_processor_time": round(self.share, 3),
            "planned_seconds": round(self.planned, 2),
            "took_seconds": round(self.took, 2),
            "start_seconds": round(self.start, 2),
            "resident_mib": round(self.resident, 1),
        }

    def to_text(self) -> str:
        """A table for people."""
        return "\n".join(
            (
                f"{self.clients:,} clients, store in {self.database}",
                f"SAKKE encapsulation alone   {self.encapsulations:10,.0f} /s",
                f"rotation, end to end        {self.rotations:10,.0f} clients/s"
                f"  ({self.rotations / self.encapsulations:.0%} of encapsulation alone;"
                f" {self.share:.0%} of its processor time is encapsulation)",
                f"planned / took              {self.planned:10.1f} / {self.took:.1f} s",
                f"start with that store       {self.start:10.1f} s",
                f"memory of the server        {self.resident:10.0f} MiB",
            )
        )


def measure(clients: int, database: str, progress: Callable[[str], None]) -> RotateReport:
    """One run, the server on one core. ``database``: a connection URI of PostgreSQL; empty: SQLite in a file."""
    with one_core(), tempfile.TemporaryDirectory() as name, peer("TCP") as port:
        where = Address.parse(database or "server.sqlite", Path(name))
        return asyncio.run(_measure(where, Hop("TCP", "127.0.0.1", port), clients, progress))


async def _measure(where: Address, hop: Hop, clients: int, progress: Callable[[str], None]) -> RotateReport:
    identity = key_server.identity(time.time())
    kek = Kek(Secret.random(32))
    scope = Scope.of(GROUP)
    async with key_server.serving(where, identity, hop, kek) as (server, held):
        progress("registering")
        await key_server.authorise(server, clients, clients, time.time())
        with memory.settled():
            progress("first key")
            await server.make_musik(scope)
            await held.until(clients)
            await server.deliveries()
            before = key_server.alone(identity)
            planned = (await server.plan(PurposeTag.MUSIK, scope)).seconds
            progress("rotation")
            began, worked = time.perf_counter(), time.process_time()
            await server.make_musik(scope)
            await held.until(2 * clients)
            # Asked in its turn, so everything that was answered is committed when this is.
            if (await server.deliveries()).get("held", 0) != 2 * clients:
                raise LocalError("not every delivery was recorded", code="bench.deliveries")
            took = time.perf_counter() - began
            each = (time.process_time() - worked) / clients
            resident = _resident()
            alone, busy = map(statistics.fmean, zip(before, key_server.alone(identity), strict=True))
    progress("start")
    began = time.perf_counter()
    async with key_server.serving(where, identity, hop, kek) as (server, _):
        start = time.perf_counter() - began
        if len(server.function.users) != clients:
            raise LocalError("not everybody was read back", code="bench.users")
    kind = "SQLite" if where.path is not None else "PostgreSQL"
    return RotateReport(clients, kind, 1 / alone, clients / took, busy / each, planned, took, start, resident)


def _resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / (1 << 20)
