"""A call outlives ``mcsec run server``: killed, or ended for a new version; nobody presses a key for that."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from mcsec.client.audio import speech
from mcsec.client.calls.events import CallRejoined
from mcsec.client.events import MediaHeard
from mcsec.client.profile import RejoinTimes
from support.crash_domain import GROUP, CrashDomain, User, crash_domain
from support.waiting import PATIENCE, soon, until

pytestmark = pytest.mark.anyio


async def heard(talker: User, others: list[User]) -> None:
    for user in others:
        user.events[:] = [event for event in user.events if not isinstance(event, MediaHeard)]
    await talker.client.calls[GROUP].talk(speech.synthesise(0.2), within=PATIENCE)
    await until(lambda: all(user.of(MediaHeard) for user in others))


async def again(domain: CrashDomain) -> float:
    """Another server runs; seconds until everybody is in the call."""
    for user in domain.users:
        user.events[:] = [event for event in user.events if not isinstance(event, CallRejoined)]
    began = time.monotonic()
    await domain.spawn()
    await domain.ready()
    await until(lambda: all(user.of(CallRejoined) for user in domain.users))
    return time.monotonic() - began


async def test_killed_and_ended(tmp_path: Path) -> None:
    async with crash_domain(tmp_path / "domain", rejoin=RejoinTimes(0.2, 1.0, PATIENCE)) as domain:
        first, *others = domain.users
        await first.client.call(GROUP)
        await until(lambda: all(GROUP in user.client.calls for user in others))
        await heard(first, others)
        await domain.kill()
        print(f"killed: everybody in the call again after {await again(domain):.2f} s, start included")
        await heard(others[0], [first, *others[1:]])
        assert domain.process is not None
        domain.process.send_signal(signal.SIGTERM)
        await soon(domain.process.wait())
        print(f"ended: everybody in the call again after {await again(domain):.2f} s, start included")
        await heard(first, others)
        assert "Traceback" not in (domain.directory / "server.log").read_text()
