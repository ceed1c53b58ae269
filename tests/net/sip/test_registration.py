"""Keeping a contact registered: the table, times, refusals; then over loopback with digest and a cut connection."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from mcsec._core import Secret
from mcsec.errors import WrongState
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.refreshing import RetryTimes
from mcsec.net.sip.registering import keep_registered
from mcsec.net.sip.registrar import Registrar
from mcsec.net.sip.registration import (
    REGISTRATION,
    Registered,
    Registration,
    RegistrationEvent,
    RegistrationInput,
    RegistrationState,
    Unproven,
    Unregistered,
)
from mcsec.net.sip.values import NameAddr
from support.waiting import soon, until

AOR = "sip:alice@mc.example"


def registration(**options: object) -> Registration:
    contact = NameAddr("sip:alice@127.0.0.1:5070")
    return Registration("sip:mc.example", AOR, contact, rng=random.Random(1), **options)  # type: ignore[arg-type]


def answer(request: Request, status: int, *headers: tuple[str, str]) -> Response:
    return make_response(request, status, headers=headers)


def test_it_is_refreshed_in_time_with_the_next_number() -> None:
    machine = registration(
        headers=[("P-Preferred-Identity", "<sip:alice@mc.example>")], body=b"x", content_type="a/b"
    )
    first = machine.start()
    assert (first.uri, first.from_.uri, first.to.uri, first.cseq.number) == ("sip:mc.example", AOR, AOR, 1)
    assert (first.headers.get("Expires"), first.body) == ("3600", b"x")
    granted = ("Contact", "<sip:other@h>;expires=9, <sip:alice@127.0.0.1:5070>;expires=1800")
    routes = [("Service-Route", "<sip:core;lr>"), ("P-Associated-URI", "<sip:alice@mc.example>, <tel:+1>")]
    assert machine.answered(answer(first, 200, granted, *routes), 100.0) is None
    assert machine.events() == [Registered(1800)]
    assert machine.service_route == ("<sip:core;lr>",)
    assert machine.associated == ("sip:alice@mc.example", "tel:+1")
    assert machine.next_timer() == 1300.0
    assert machine.handle_timer(1299.0) is None
    machine.replace_content(b"", None)
    second = machine.handle_timer(1300.0)
    assert second is not None
    assert (second.call_id, second.cseq.number, second.body) == (first.call_id, 2, b"")
    machine.answered(answer(second, 200, ("Expires", "100")), 1300.0)
    assert machine.next_timer() == 1350.0


def test_it_asks_for_longer_when_told_so_and_only_once() -> None:
    machine = registration(expires=60)
    again = machine.answered(answer(machine.start(), 423, ("Min-Expires", "600")), 0.0)
    assert again is not None
    assert (again.headers.get("Expires"), again.cseq.number) == ("600", 2)
    assert machine.answered(answer(again, 423, ("Min-Expires", "600")), 0.0) is None
    assert machine.state is RegistrationState.WAITING


@pytest.mark.parametrize("status", [403, 404, 401, 407, 420])
def test_a_refusal_ends_it(status: int) -> None:
    machine = registration()
    machine.answered(answer(machine.start(), status), 0.0)
    assert machine.state is RegistrationState.REFUSED
    assert machine.events() == [Unregistered(f"refused with {status}", None)]
    assert machine.next_timer() is None
    assert machine.stop() is None


def test_failures_are_waited_out_longer_and_longer() -> None:
    machine, now, waits = registration(), 0.0, []
    request: Request | None = machine.start()
    for number in range(8):
        assert request is not None
        if number % 2:
            machine.failed("sip.no-answer", now)
        else:
            machine.answered(answer(request, 503, ("Retry-After", "7")), now)
        (event,) = machine.events()
        assert isinstance(event, Unregistered)
        assert event.retry is not None
        waits.append(event.retry)
        now += event.retry
        request = machine.handle_timer(now)
    assert all(7 <= wait <= min(1800, 30 * 2**number) for number, wait in enumerate(waits))
    assert waits[5] > waits[0]


def test_a_lost_connection_is_registered_anew() -> None:
    machine = registration()
    machine.flow_lost(0.0)
    machine.answered(answer(machine.start(), 200), 0.0)
    machine.flow_lost(10.0)
    assert machine.state is RegistrationState.WAITING
    due = machine.next_timer()
    assert due is not None
    assert 10.5 <= due <= 11.0
    # While the server is not back, it waits longer and longer; once it is, a lost connection is news again.
    for most in (2.0, 4.0):
        request = machine.handle_timer(due)
        assert request is not None
        machine.failed("sip.unreachable", due)
        before, due = due, machine.next_timer()
        assert due is not None
        assert most / 2 <= due - before <= most
    request = machine.handle_timer(due)
    assert request is not None
    machine.answered(answer(request, 200), due)
    machine.flow_lost(due)
    soon = machine.next_timer()
    assert soon is not None
    assert soon - due <= 1.0


def test_waiting_times_can_be_set() -> None:
    machine = registration(retry=RetryTimes(first=4.0, most=6.0, lost=0.1))
    waits = []
    request: Request | None = machine.start()
    for _ in range(4):
        assert request is not None
        machine.failed("sip.unreachable", 0.0)
        due = machine.next_timer()
        assert due is not None
        waits.append(due)
        request = machine.handle_timer(due)
    assert 2.0 <= waits[0] <= 4.0
    assert 3.0 <= waits[3] <= 6.0
    assert request is not None
    machine.answered(answer(request, 200), 0.0)
    machine.flow_lost(0.0)
    assert 0.05 <= (machine.next_timer() or 0) <= 0.1


def test_a_bare_register_that_is_refused_is_sent_again_with_proof_and_only_once() -> None:
    machine = registration(provable=True)
    machine.answered(answer(machine.start(), 200), 0.0)
    refresh = machine.handle_timer(3000.0)
    assert refresh is not None
    assert machine.answered(answer(refresh, 403), 3000.0) is None
    assert machine.events() == [Registered(3600), Unproven("refused with 403")]
    machine.replace_content(b"token", "a/b")
    again = machine.handle_timer(3000.0)
    assert again is not None
    assert (again.body, again.cseq.number) == (b"token", 3)
    machine.answered(answer(again, 403), 3000.0)
    assert machine.state is RegistrationState.REFUSED


def test_who_has_no_proof_is_not_asked_for_it_twice() -> None:
    machine = registration(provable=True)
    machine.answered(answer(machine.start(), 403), 0.0)
    again = machine.handle_timer(0.0)
    assert again is not None
    machine.answered(answer(again, 403), 0.0)
    assert machine.state is RegistrationState.REFUSED


def test_leaving_needs_no_proof() -> None:
    machine = registration(provable=True)
    machine.answered(answer(machine.start(), 200), 0.0)
    last = machine.stop()
    assert last is not None
    machine.answered(answer(last, 403), 1.0)
    assert machine.state is RegistrationState.IDLE
    assert machine.next_timer() is None


def test_it_takes_its_contact_back() -> None:
    machine = registration()
    machine.answered(answer(machine.start(), 200), 0.0)
    last = machine.stop()
    assert last is not None
    assert last.headers.get("Expires") == "0"
    machine.answered(answer(last, 200), 1.0)
    assert machine.state is RegistrationState.IDLE
    assert machine.events()[-1] == Unregistered("we left", None)
    for wrong in (machine.stop, lambda: machine.failed("x", 0.0)):
        with pytest.raises(WrongState):
            wrong()


def test_the_table_is_whole() -> None:
    reached, todo = {RegistrationState.IDLE}, [RegistrationState.IDLE]
    while todo:
        for after in REGISTRATION[todo.pop()].values():
            if after not in reached:
                reached.add(after)
                todo.append(after)
    assert reached == set(RegistrationState) == set(REGISTRATION)
    assert {what for rows in REGISTRATION.values() for what in rows} == set(RegistrationInput)
    # From everywhere one can leave, and whatever is asked ends.
    for state, rows in REGISTRATION.items():
        assert state in (RegistrationState.IDLE, RegistrationState.LEAVING) or RegistrationInput.STOP in rows


class Core:
    """A registrar behind digest."""

    def __init__(self) -> None:
        self.registrar = Registrar()
        self.password = Secret(b"open sesame")
        self.digest = DigestServer("mc.example", self.lookup, nonce_life=1000.0)
        self.now = 0.0
        self.cseqs: list[int] = []
        self.peers: list[Peer] = []

    def lookup(self, user: str, algorithm: str) -> Secret | None:
        return user_hash("alice", "mc.example", self.password, algorithm) if user == "alice" else None

    def serve(self, request: Request, peer: Peer) -> Response:
        self.cseqs.append(request.cseq.number)
        self.peers.append(peer)
        try:
            self.digest.verify(request, self.now)
        except Unauthorized as refused:
            return self.digest.challenge(request, self.now, stale=refused.stale)
        response, _ = self.registrar.register(request, peer, self.now)
        return response


@pytest.mark.anyio
async def test_a_client_stays_registered_until_it_is_cancelled() -> None:
    core = Core()
    events: asyncio.Queue[RegistrationEvent] = asyncio.Queue()
    async with Endpoint(core.serve) as server, Endpoint(core.serve) as client:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        machine = registration(retry=RetryTimes(lost=0.1))
        alice = DigestClient("alice", core.password)
        task = asyncio.create_task(
            keep_registered(client, machine, events.put_nowait, hop, credentials=alice)
        )
        assert await soon(events.get()) == Registered(3600)
        # The server is gone and back: registered anew, by another connection, after the wait.
        server.core.transport.cut(core.peers[-1])
        lost = await soon(events.get())
        assert isinstance(lost, Unregistered)
        assert await soon(events.get()) == Registered(3600)
        assert core.peers[0].flow != core.peers[-1].flow
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert events.get_nowait() == Unregistered("we left", None)
        assert len(core.registrar) == 0
        assert core.cseqs == sorted(set(core.cseqs))


@pytest.mark.anyio
@pytest.mark.parametrize("password", [b"guess", b""])
async def test_a_wrong_password_ends_it(password: bytes) -> None:
    core = Core()
    events: list[RegistrationEvent] = []
    async with Endpoint(core.serve) as server, Endpoint(core.serve) as client:
        _, port = await server.listen("TCP", "127.0.0.1")
        hop = Hop("TCP", "127.0.0.1", port)
        credentials = DigestClient("alice", Secret(password)) if password else None
        await keep_registered(client, registration(), events.append, hop, credentials=credentials)
        assert events == [Unregistered("refused with 401", None)]


@pytest.mark.anyio
async def test_a_registrar_that_is_not_there_is_tried_again() -> None:
    events: list[RegistrationEvent] = []
    async with Endpoint(lambda request, peer: make_response(request, 200)) as client:
        machine = registration()
        task = asyncio.create_task(
            keep_registered(client, machine, events.append, Hop("TCP", "127.0.0.1", 1))
        )
        await until(lambda: events)
        assert isinstance(events[0], Unregistered)
        assert events[0].reason == "sip.unreachable"
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert machine.state is RegistrationState.IDLE
