"""Drives a :class:`Registration` over an endpoint until it is cancelled or refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from mcsec.errors import CheckFailed, McsecError
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.registration import Registration, RegistrationEvent, RegistrationState
from mcsec.net.sip.ways import Target


async def keep_registered(
    endpoint: Endpoint,
    registration: Registration,
    on_event: Callable[[RegistrationEvent], None],
    target: Target | None = None,
    *,
    credentials: DigestClient | None = None,
) -> None:
    """Register, refresh, and register again after failures and lost connections.

    Runs until it is cancelled (then it takes the contact back and ends) or the registrar refuses for good.
    """
    wake = asyncio.Event()
    flows: set[int] = set()
    clock = endpoint.core.clock

    def closed(peer: Peer, reason: str) -> None:
        if peer.flow in flows:
            registration.flow_lost(clock.now())
            wake.set()

    async def send(request: Request) -> None:
        following: Request | None = request
        while following is not None:
            try:
                response = await _ask(endpoint, registration, following, target, credentials)
            except McsecError as error:
                registration.failed(error.code, clock.now())
                return
            following = registration.answered(response, clock.now())
        hop = target or endpoint.core.ways.next_hop(request)
        if not isinstance(hop, Peer) and hop.transport != "UDP":
            with contextlib.suppress(McsecError):
                flows.clear()
                flows.add((await endpoint.core.transport.reach(hop)).flow)

    endpoint.core.closed_hooks.append(closed)
    try:
        await send(registration.start())
        while registration.state is not RegistrationState.REFUSED:
            for event in registration.events():
                on_event(event)
            due = registration.next_timer()
            with contextlib.suppress(TimeoutError):
                wake.clear()
                # Not wait_for: of Python 3.11 it forgets a cancellation that comes together with the wake-up.
                async with asyncio.timeout(None if due is None else max(0.0, due - clock.now())):
                    await wake.wait()
            request = registration.handle_timer(clock.now())
            if request is not None:
                await send(request)
    finally:
        endpoint.core.closed_hooks.remove(closed)
        if registration.state not in (RegistrationState.IDLE, RegistrationState.REFUSED):
            last = registration.stop()
            if last is not None:
                await send(last)
        for event in registration.events():
            on_event(event)


async def _ask(
    endpoint: Endpoint,
    registration: Registration,
    request: Request,
    target: Target | None,
    credentials: DigestClient | None,
) -> Response:
    if credentials is None:
        return await endpoint.request(request, target)
    request = credentials.apply(request)
    response = await endpoint.request(request, target)
    if response.status in (401, 407):
        try:
            request = credentials.authorize(request, response)
        except CheckFailed:
            # The password is wrong; the refusal ends the registration.
            return response
        response = await endpoint.request(registration.renumbered(request), target)
    return response
