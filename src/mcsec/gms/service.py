"""The HTTPS shell of a GMS (XCAP), its operators' socket, and its SIP side, started and stopped together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive, Scope, Send

from mcsec.errors import McsecError
from mcsec.gms.admin import admin_app, operations_app
from mcsec.gms.config import Configuration
from mcsec.gms.gms import Answer, Gms
from mcsec.gms.observe import Observer
from mcsec.gms.push import Pusher
from mcsec.net.https import Endpoint, serving
from mcsec.net.sip import endpoint as sip
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import client_context, server_context
from mcsec.store.database import Database
from mcsec.wire.xml import MAX_OCTETS

_MAX_PATH_OCTETS = 4096
#: Headers of a request that are looked at.
_HEADERS = frozenset({b"authorization", b"if-match", b"if-none-match", b"content-type"})
#: Seconds between looks at what is due.
_LOOK = 5.0


class GmsApp:
    """What members and servers reach, as an ASGI application.

    No router stands before it: a router sees paths decoded, and what looks like another path then is one.
    """

    def __init__(self, gms: Gms) -> None:
        self._gms = gms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            if name in _HEADERS:
                # Several fields of one name are one list (RFC 9110 5.2).
                before = headers.get(name.decode())
                text = value.decode("latin-1")
                headers[name.decode()] = text if before is None else f"{before}, {text}"
        body = await _body(receive)
        raw_path: bytes = scope["raw_path"][:_MAX_PATH_OCTETS]
        answer = await self._gms.handle(scope["method"], raw_path, headers, body)
        await _send(send, answer, head=scope["method"] == "HEAD")


async def _body(receive: Receive) -> bytes:
    """The body, or a little more than is allowed of it, which is then refused as too large."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > MAX_OCTETS or not message.get("more_body"):
            return b"".join(parts)


async def _send(send: Send, answer: Answer, *, head: bool) -> None:
    extra: Mapping[str, str] = answer.headers
    headers = [(b"cache-control", b"no-store")]
    if answer.status != 304:
        headers.append((b"content-length", str(len(answer.document)).encode()))
    if answer.content_type:
        headers.append((b"content-type", answer.content_type.encode()))
    if answer.status == 413:
        headers.append((b"connection", b"close"))  # the rest of the body was not read
    headers += [(name.encode(), value.encode()) for name, value in extra.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.document})


@dataclass(frozen=True, slots=True)
class Running:
    """A GMS that serves: where members reach it, where its operators do."""

    gms: Gms
    address: str
    admin: Endpoint
    operations: Endpoint | None


@asynccontextmanager
async def running(config: Configuration, observer: Observer, now: float) -> AsyncIterator[Running]:
    """Serve a GMS for as long as the block runs.

    :raises McsecError: something of its configuration, database or addresses cannot be used, or the KMS gave no keys.
    """
    tls = server_context(config.path(config.gms.certificate), config.path(config.gms.key))
    async with AsyncExitStack() as stack:
        database = await Database.open(config.path(config.gms.database), config.kek())
        stack.push_async_callback(database.close)
        gms = await Gms.open(config, database, observer)
        await gms.poll(now)
        await _push(gms, stack)
        _background(stack, _look(gms), gms.provisioning.renew(gms.engine.renew, _told(gms)))
        admin = await stack.enter_async_context(serving(admin_app(gms), config.endpoint(config.gms.admin)))
        operations = None
        if config.gms.operations:
            endpoint = config.endpoint(config.gms.operations)
            operations = await stack.enter_async_context(serving(operations_app(gms), endpoint))
        members = await stack.enter_async_context(
            serving(GmsApp(gms), config.endpoint(config.gms.listen), tls)
        )
        address = f"https://{members}"
        observer.ready(True)
        observer.note("ready", address=address, gms=config.uri)
        yield Running(gms, address, admin, operations)
        observer.ready(False)
        observer.note("stopping")


async def _push(gms: Gms, stack: AsyncExitStack) -> None:
    config = gms.config
    routes = config.routes()
    if not routes:
        return
    context = None
    if any(hop.transport == "TLS" for hop in routes.values()):
        context = client_context(
            config.path(config.gms.push.ca),
            certificate=config.path(config.gms.certificate),
            key=config.path(config.gms.key),
        )
    endpoint = await stack.enter_async_context(
        sip.Endpoint(_no_request, EndpointSettings(client_tls=context))
    )
    pusher = Pusher(gms, endpoint, routes)
    gms.changed = pusher.changed
    _background(stack, pusher.run())


def _no_request(request: Request, peer: Peer) -> Response:
    """A GMS sends; nobody has business with it by SIP."""
    return make_response(request, 405, headers=[("Allow", "OPTIONS")])


async def _look(gms: Gms) -> None:
    while True:
        await asyncio.sleep(_LOOK)
        try:
            await gms.poll(time.time())
        except McsecError as error:
            gms.observer.failed("upkeep", error)


def _told(gms: Gms) -> Callable[[McsecError], None]:
    return lambda error: gms.observer.failed(f"keys from the KMS: {error.code}", error)


def _background(stack: AsyncExitStack, *work: Coroutine[Any, Any, None]) -> None:
    """Runs until the stack is left."""

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    tasks = [asyncio.get_running_loop().create_task(one) for one in work]
    stack.push_async_callback(stop)
