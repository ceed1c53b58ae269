"""MB2 measured: GAR/GAA and packets through MB2-U between two processes, and what a packet costs whoever listens."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from mcsec.lab.bench import mb2_control, mb2_path, mb2_peer
from mcsec.lab.bench.mb2_messages import IN_FLIGHT
from mcsec.lab.bench.timing import per_call

FEW, MANY = 10, 100_000
#: Packets of one round, for each request asked for.
_PACKETS = 5


@dataclass(frozen=True, slots=True)
class Mb2Report:
    """Figures of one run. Rates are for each second, times are microseconds.

    ``requests``: GAR/GAA; ``peer_requests``: of python-diameter's node in the same run, None where it is not installed.
    ``path_packets``: from the server through MB2-U and the BM-SC to a client; ``server_us`` and ``rest_us``: processor
    time of one packet in the server's process, and in that of BM-SC and client. ``cost_few`` and ``cost_many``: of
    deciding about and protecting one packet, with 10 and with 100,000 listeners.
    """

    in_flight: int
    requests: float
    asking_us: float
    answering_us: float
    peer_requests: float | None
    path_packets: float
    server_us: float
    rest_us: float
    cost_few: float
    cost_many: float

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: None if value is None else round(value, 2) for name, value in asdict(self).items()}

    def to_text(self) -> str:
        """For people."""
        if self.peer_requests is None:
            beside = f"  no yardstick: {mb2_peer.INSTALL}"
        else:
            beside = f"  {self.peer_requests:,.0f} by python-diameter's node, with the same messages"
        return "\n".join(
            (
                f"{self.requests:,.0f} GAR/GAA per second between two processes, {self.in_flight} in flight",
                beside,
                f"  CPU per request: {self.asking_us:.0f} us asking, {self.answering_us:.0f} us answering",
                f"{self.path_packets:,.0f} packets per second from a server through MB2-U and a BM-SC to a client",
                f"  CPU per packet: {self.server_us:.0f} us in the server, {self.rest_us:.0f} us in BM-SC and client",
                f"  protecting a packet: {self.cost_few:.1f} us with {FEW} listeners,"
                f" {self.cost_many:.1f} us with {MANY:,}",
            )
        )


def measure(requests: int, rounds: int, progress: Callable[[str], None]) -> Mb2Report:
    """All figures: ``requests`` in each of ``rounds`` rounds; the median counts.

    :raises LocalError: a process or packet did not come through.
    """
    progress("GAR/GAA between two processes")
    rate, ours, theirs = mb2_control.exchanges(requests, rounds)
    peer = None
    if mb2_peer.installed():
        progress("the same by python-diameter's node")
        # It is slower, and keeps something of every request.
        peer = mb2_peer.exchanges(max(requests // 6, IN_FLIGHT))
    progress("packets through MB2-U")
    path = mb2_path.path(_PACKETS * requests, rounds)
    progress(f"packets for {FEW} and for {MANY:,} listeners")
    few, many = mb2_path.said_to(FEW)[0], mb2_path.said_to(MANY)[0]
    costs = [(per_call(few, 1), per_call(many, 1)) for _ in range(rounds)]
    cost_few, cost_many = (statistics.median(column) * 1e6 for column in zip(*costs, strict=True))
    return Mb2Report(
        IN_FLIGHT,
        rate,
        ours,
        theirs,
        peer,
        path.packets,
        path.server_us,
        path.rest_us,
        cost_few,
        cost_many,
    )
