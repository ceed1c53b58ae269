"""Waiting until somebody who talks in a call is heard by everybody."""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.client.service import McClient
from mcsec.lab.in_call import all_in
from mcsec.server.calls.service import Calls
from support.waiting import until


async def everybody_in(group: str, clients: Iterable[McClient], *servers: Calls) -> None:
    """Until all ``clients`` hear what is said in the call of ``group``."""
    known = tuple(clients)
    await until(lambda: all_in(group, known, servers), f"everybody is in the call of {group}")
