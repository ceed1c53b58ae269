"""A Diameter node on asyncio: moves octets between sockets and the engine, and keeps one timer."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, Self, TypeVar

from mcsec.errors import McsecError
from mcsec.net.diameter.config import NodeConfig
from mcsec.net.diameter.effects import Answered, Close, Deliver, Dial, Event, Failed, PeerUp, Write
from mcsec.net.diameter.engine import Engine
from mcsec.net.diameter.errors import NoAnswer
from mcsec.net.diameter.transport import (
    certificate_names,
    dial,
    listen,
    local_address,
    remote_address,
)
from mcsec.wire.diameter.base import Answer, Request, SessionRequest

#: Octets handled before what they bring about is sent: the other side works while we do.
_PIECE = 4096
#: Messages sent together at most, for the same reason.
_TOGETHER = 8

A = TypeVar("A", bound=Answer)
Handler = Callable[[Any], Any]


class DiameterNode:
    """Use as an asynchronous context manager, or call :meth:`start` and :meth:`stop`.

    ``on_event`` is called with each event of :mod:`mcsec.net.diameter.effects`, at once and in order.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        on_event: Callable[[Event], None] = lambda event: None,
        origin_state_id: int | None = None,
    ) -> None:
        self.config = config
        state = int(time.time()) if origin_state_id is None else origin_state_id
        # Spreading time-outs and beginning identifiers need no cryptographic randomness.
        self._engine = Engine(config, state & 0xFFFFFFFF, Random())  # noqa: S311
        self._on_event = on_event
        self._handlers: dict[type[Any], Handler] = {}
        self._session_ids = itertools.count(state << 32 & 0xFFFFFFFF_00000000)
        self._servers: list[asyncio.Server] = []
        self._ports: tuple[int, ...] = ()
        self._lines: dict[int, _Line] = {}
        self._open_lines: set[_Line] = set()
        self._dials: dict[int, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._ups: dict[str, list[asyncio.Future[None]]] = {}
        self._slots = asyncio.Semaphore(config.limits.in_flight)
        self._timer: asyncio.TimerHandle | None = None
        self._made = 0
        self._changed = asyncio.Event()

    # --- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, and dial the peers that have an address.

        :raises OSError: an address to listen at cannot be had; nothing is left open.
        """
        try:
            for listener in self.config.listeners:
                self._servers.append(await listen(listener, lambda: _Line(self, None)))
        except BaseException:
            self._close_servers()
            raise
        self._ports = tuple(server.sockets[0].getsockname()[1] for server in self._servers)
        self._engine.start(self._now())
        self._run()

    async def stop(self) -> None:
        """Say good-bye to the peers, and close everything."""
        self._close_servers()
        self._engine.stop(self._now())
        self._run()
        deadline = self._now() + self.config.timings.disconnect + 1
        while (not self._engine.stopped or self._open_lines) and self._now() < deadline:
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline - self._now()):
                    await self._changed.wait()
        await self._end()

    async def abort(self) -> None:
        """Be gone without a word, as after a crash."""
        self._close_servers()
        for line in list(self._open_lines):
            line.transport.abort()
        self._engine.stop(self._now())
        await asyncio.sleep(0)
        await self._end()

    async def _end(self) -> None:
        for line in list(self._open_lines):
            line.transport.abort()
        tasks = [*self._tasks, *self._dials.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await asyncio.sleep(0)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports listened at since the start, in the order of the listeners; they stay known after the end."""
        return self._ports

    # --- use

    def serve(self, kind: type[Request[A]], handler: Callable[[Any], A | Awaitable[A]]) -> None:
        """Answer requests of a class.

        A handler that raises makes the answer UNABLE_TO_COMPLY; one that raises ``NoAnswer`` makes none.
        """
        self._handlers[kind] = handler

    async def request(self, message: SessionRequest[A], *, timeout: float | None = None) -> A:  # noqa: ASYNC109  # the engine's time-out, not the task's
        """Send a request and wait for its answer, ``timeout`` seconds from when it is sent; the answer is a success.

        At most ``limits.in_flight`` requests are under way; more wait here.

        :raises RequestRefused: the answer reports failure. :raises PeerLost: the peer went meanwhile.
        :raises RequestTimeout: no answer in time. :raises Unreachable: nobody takes it.
        :raises Violation: the answer cannot be read. :raises InvalidValue: the message cannot be written.
        """
        async with self._slots:
            wait = self.config.timings.request if timeout is None else timeout
            number = self._engine.request(message, self._now(), wait)
            future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
            self._waiting[number] = future
            self._run_soon()
            try:
                return await future
            finally:
                del self._waiting[number]
                self._engine.requests.cancel(number)

    def new_session_id(self) -> str:
        """A Session-Id that this node has not used (RFC 6733 8.8)."""
        number = next(self._session_ids)
        return f"{self.config.host};{number >> 32};{number & 0xFFFFFFFF}"

    async def until_open(self, host: str) -> None:
        """Wait until messages pass to the peer ``host``."""
        if not self._engine.peers[host.lower()].state.is_open:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._ups.setdefault(host.lower(), []).append(future)
            await future

    @property
    def counters(self) -> Counter[str]:
        """How often what happened, by stable names: codes of errors, ``event.`` and the event's class, traffic."""
        return self._engine.counters

    @property
    def peers(self) -> Mapping[str, str]:
        """The state of each peer, by identity."""
        return {peer.config.host: str(peer.state) for peer in self._engine.peers.values()}

    # --- below

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()

    def _run_soon(self) -> None:
        """Requests made in one turn of the loop go out together, a few at a time."""
        self._made += 1
        if self._made == 1:
            asyncio.get_running_loop().call_soon(self._run)
        elif self._made >= _TOGETHER:
            self._run()

    def _run(self) -> None:
        """Do what the engine wants until it wants nothing more, then set the timer."""
        self._made = 0
        writes: dict[int, list[bytes]] = {}
        while effects := self._engine.effects():
            for effect in effects:
                kind = type(effect)
                if kind is Write:
                    parts = writes.setdefault(effect.connection, [])  # type: ignore[union-attr]  # kind says so
                    parts.append(effect.octets)  # type: ignore[union-attr]  # kind says so
                    if len(parts) >= _TOGETHER:
                        self._write(effect.connection, parts)  # type: ignore[union-attr]  # kind says so
                        parts.clear()
                elif kind is Close:
                    self._close(effect.connection, writes)  # type: ignore[union-attr]  # kind says so
                else:
                    self._effect(effect)
        for number, parts in writes.items():
            if parts:
                self._write(number, parts)
        self._set_timer()
        self._changed.set()

    def _effect(self, effect: Any) -> None:
        match effect:
            case Answered(number, answer):
                future = self._waiting.get(number)
                if future is not None and not future.done():
                    future.set_result(answer)
            case Failed(number, error):
                future = self._waiting.get(number)
                if future is not None and not future.done():
                    future.set_exception(error)
            case Deliver():
                self._deliver(effect)
            case Dial(connection):
                self._dials[connection] = asyncio.create_task(self._dial(effect))
            case _:
                if isinstance(effect, PeerUp):
                    for waiter in self._ups.pop(effect.host.lower(), []):
                        if not waiter.done():
                            waiter.set_result(None)
                self._on_event(effect)

    def _write(self, number: int, parts: list[bytes]) -> None:
        line = self._lines.get(number)
        if line is None:
            return
        line.transport.write(b"".join(parts))
        if line.transport.get_write_buffer_size() > self.config.limits.unsent:
            line.transport.abort()
            self._engine.closed(number, "it does not read what it is sent", self._now())
            self._run_soon()

    def _close(self, number: int, writes: dict[int, list[bytes]]) -> None:
        if writes.get(number):
            self._write(number, writes.pop(number))
        dialling = self._dials.get(number)
        if dialling is not None:
            dialling.cancel()
        line = self._lines.pop(number, None)
        if line is not None:
            line.transport.close()
            if line.transport.get_write_buffer_size():
                # Whoever does not read cannot keep the connection, either.
                asyncio.get_running_loop().call_later(self.config.timings.disconnect, line.transport.abort)

    def _set_timer(self) -> None:
        when = self._engine.next_timer()
        if self._timer is not None:
            # A timer that comes too early only looks again; setting it anew for each message would cost more.
            if when is None or self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = None if when is None else asyncio.get_running_loop().call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._engine.tick(self._now())
        self._run()

    async def _dial(self, effect: Dial) -> None:
        number = effect.connection
        try:
            await dial(effect.peer, lambda: _Line(self, number))
        except (OSError, McsecError) as error:
            self._engine.not_connected(number, str(error) or type(error).__name__, self._now())
            self._run_soon()
        finally:
            del self._dials[number]

    # --- requests of others

    def _deliver(self, effect: Deliver) -> None:
        handler = self._handlers.get(type(effect.request))
        if handler is None:
            self._engine.withdraw(effect.ticket, "nothing here handles this")
            return
        try:
            answer = handler(effect.request)
            if not inspect.isawaitable(answer):
                self._engine.answer(effect.ticket, answer)
                return
        except Exception as error:  # noqa: BLE001  # a fault of the application must not take the peer's connection with it
            self._handler_failed(effect, error)
            return
        task = asyncio.create_task(self._await_answer(effect, answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _await_answer(self, effect: Deliver, answer: Awaitable[Any]) -> None:
        try:
            self._engine.answer(effect.ticket, await answer)
        except Exception as error:  # noqa: BLE001  # as above
            self._handler_failed(effect, error)
        self._run_soon()

    def _handler_failed(self, effect: Deliver, error: Exception) -> None:
        if isinstance(error, NoAnswer):
            self._engine.leave_unanswered(effect.ticket)
            return
        self._engine.withdraw(effect.ticket, "the request could not be carried out")
        loop = asyncio.get_running_loop()
        name = type(effect.request).__name__
        loop.call_exception_handler({"message": f"the handler of {name} failed", "exception": error})

    # --- connections

    def made(self, line: _Line) -> None:
        """A connection is open."""
        self._open_lines.add(line)
        transport = line.transport
        local, remote, names = (
            local_address(transport),
            remote_address(transport),
            certificate_names(transport),
        )
        if line.number is None:
            line.number = self._engine.accepted(self._now(), local=local, remote=remote, names=names)
        elif not self._engine.connected(line.number, self._now(), local=local, remote=remote, names=names):
            line.number = None
        if line.number is None:
            transport.abort()
        else:
            self._lines[line.number] = line
        self._run()

    def received(self, number: int, data: bytes) -> None:
        """Octets arrived."""
        now = self._now()
        for start in range(0, len(data), _PIECE):
            self._engine.received(number, data[start : start + _PIECE], now)
            self._run()

    def lost(self, line: _Line, error: Exception | None) -> None:
        """A connection is closed."""
        self._open_lines.discard(line)
        if line.number is not None and self._lines.pop(line.number, None) is not None:
            reason = str(error) if error is not None else "the other side closed the connection"
            self._engine.closed(line.number, reason, self._now())
        self._run()


class _Line(asyncio.Protocol):
    """One transport connection; ``number`` is the engine's."""

    transport: asyncio.Transport

    def __init__(self, node: DiameterNode, number: int | None) -> None:
        self._node = node
        self.number = number

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._node.made(self)

    def data_received(self, data: bytes) -> None:
        if self.number is not None:
            self._node.received(self.number, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._node.lost(self, exc)
