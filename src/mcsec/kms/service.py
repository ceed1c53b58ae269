"""The HTTPS shell of a KMS: requests of clients on one listener, operators and their tools on others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mcsec.kms.admin import admin_app, operations_app
from mcsec.kms.config import Configuration
from mcsec.kms.issuers import local_jwks
from mcsec.kms.kms import Answer, Kms
from mcsec.kms.observe import Observer
from mcsec.net.https import Endpoint, serving
from mcsec.net.tls import server_context
from mcsec.wire.xml import MAX_OCTETS

JWKS_PATH = b"/.well-known/jwks.json"
_JWKS_HEADERS = {"content-type": "application/jwk-set+json", "cache-control": "max-age=300"}
_XML = b"application/xml"
_MAX_PATH_OCTETS = 4096


class KmsApp:
    """What clients reach, as an ASGI application: the KMS interface, and the JWKS of the domain's own issuer.

    No router stands before it: a router sees paths decoded, and what looks like another path then is one.
    """

    def __init__(self, kms: Kms) -> None:
        self._kms = kms
        self._jwks = local_jwks(kms.config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        raw_path: bytes = scope["raw_path"][:_MAX_PATH_OCTETS]
        if raw_path == JWKS_PATH and scope["method"] == "GET":
            answer = Response(self._jwks or b"", 200 if self._jwks else 404, _JWKS_HEADERS)
            await answer(scope, receive, send)
        elif scope["method"] != "POST":
            await _send(send, Answer(405, b""), {b"allow": b"POST"})
        else:
            await self._post(raw_path, dict(scope["headers"]), receive, send)

    async def _post(
        self, raw_path: bytes, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        body = await _body(receive)
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        answer = await self._kms.handle(raw_path, authorization, body)
        extra = {b"www-authenticate": b'Bearer realm="kms"'} if answer.status == 401 else {}
        if answer.status == 413:
            extra[b"connection"] = b"close"  # the rest of the body was not read
        await _send(send, answer, extra)


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


async def _send(send: Send, answer: Answer, extra: Mapping[bytes, bytes]) -> None:
    headers = [
        (b"content-type", _XML),
        (b"content-length", str(len(answer.document)).encode()),
        (b"cache-control", b"no-store"),
        *extra.items(),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.document})


@dataclass(frozen=True, slots=True)
class Running:
    """A KMS that serves: where clients reach it, where its operators do."""

    kms: Kms
    address: str
    admin: Endpoint
    operations: Endpoint | None


@asynccontextmanager
async def running(config: Configuration, observer: Observer, now: float) -> AsyncIterator[Running]:
    """Serve a KMS for as long as the block runs.

    :raises McsecError: something of its configuration, database or addresses cannot be used.
    """
    tls = server_context(config.path(config.kms.certificate), config.path(config.kms.key))
    async with AsyncExitStack() as stack:
        kms = await Kms.open(config, observer, now)
        stack.push_async_callback(kms.close)
        admin = await stack.enter_async_context(serving(admin_app(kms), config.endpoint(config.kms.admin)))
        operations = None
        if config.kms.operations:
            endpoint = config.endpoint(config.kms.operations)
            operations = await stack.enter_async_context(serving(operations_app(kms), endpoint))
        endpoint = config.endpoint(config.kms.listen)
        clients = await stack.enter_async_context(serving(KmsApp(kms), endpoint, tls))
        address = f"https://{clients}"
        observer.ready(True)
        observer.note(
            "ready", address=address, kms=config.kms.uri, admin=str(admin), operations=str(operations or "")
        )
        yield Running(kms, address, admin, operations)
        observer.ready(False)
        observer.note("stopping")
