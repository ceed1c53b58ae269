"""Subscriptions between two endpoints, the table of states, and NOTIFYs that come early, late or wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from mcsec._core import Secret
from mcsec.errors import WrongState
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.digest import user_hash
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.errors import Unreachable
from mcsec.net.sip.events import HandlerFailed, SipEvent
from mcsec.net.sip.message import Request
from mcsec.net.sip.notifying import Subscriber
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.sip.subscribing import Notification, SubscriptionRefused
from mcsec.net.sip.subscription_states import (
    SubscriptionState,
)
from mcsec.net.sip.timers import Timings
from support.waiting import soon, until

FAST = EndpointSettings(timings=Timings(t1=0.02, t2=0.08, t4=0.1))


def subscribe(event: str = "presence") -> Request:
    return make_request(
        "SUBSCRIBE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=[("Event", event), ("Accept", "application/pidf+xml")],
    )


class Bob:
    """Accepts subscriptions, notifies once, keeps them."""

    def __init__(self) -> None:
        self.subscribers: list[Subscriber] = []
        self.events: list[SipEvent] = []

    async def serve(self, subscriber: Subscriber) -> None:
        subscriber.accept(most=600)
        self.subscribers.append(subscriber)
        await subscriber.notify(b"first", "application/pidf+xml")


@asynccontextmanager
async def pair(
    serve: Callable[[Subscriber], Awaitable[None]] | None = None, *, transport: str = "TCP"
) -> AsyncIterator[tuple[Bob, Endpoint, Hop, Endpoint]]:
    bob = Bob()
    notifier = Endpoint(
        lambda request, peer: make_response(request, 200),
        FAST,
        on_subscribe=serve or bob.serve,
        on_event=bob.events.append,
    )
    watcher = Endpoint(lambda request, peer: make_response(request, 200), FAST)
    async with notifier, watcher:
        _, port = await notifier.listen(transport, "127.0.0.1")
        await watcher.listen("UDP", "127.0.0.1")
        yield bob, watcher, Hop(transport, "127.0.0.1", port), notifier


@pytest.mark.anyio
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_subscription_from_the_first_notify_to_the_last(transport: str) -> None:
    got: list[Notification] = []
    async with pair(transport=transport) as (bob, watcher, hop, notifier):
        subscription = await watcher.subscribe(subscribe(), got.append, hop)
        await until(lambda: got)
        assert (got[0].body, got[0].content_type) == (b"first", "application/pidf+xml")
        assert got[0].status.state is subscription.state is SubscriptionState.ACTIVE
        assert got[0].status.expires == 600
        for number in range(5):
            await bob.subscribers[0].notify(b"%d" % number, "text/plain")
        assert [notification.body for notification in got[1:]] == [b"0", b"1", b"2", b"3", b"4"]
        await subscription.unsubscribe()
        assert subscription.state is bob.subscribers[0].state is SubscriptionState.TERMINATED
        assert got[-1].status.reason == "timeout"
        assert watcher.serving.usages == notifier.serving.usages == {}
        with pytest.raises(WrongState):
            await bob.subscribers[0].notify(b"late", "text/plain")
        await subscription.unsubscribe()


@pytest.mark.anyio
async def test_the_notifier_ends_it() -> None:
    got: list[Notification] = []
    async with pair() as (bob, watcher, hop, _):
        subscription = await watcher.subscribe(subscribe(), got.append, hop)
        await until(lambda: got)
        await bob.subscribers[0].terminate("noresource", b"last", "text/plain")
        await bob.subscribers[0].terminate()
        assert (got[-1].body, got[-1].status.reason) == (b"last", "noresource")
        assert subscription.ended.is_set()
        assert subscription.reason == "noresource"
        assert len(got) == 2


@pytest.mark.anyio
async def test_the_state_is_fetched_once_with_expires_0() -> None:
    got: list[Notification] = []
    async with pair() as (bob, watcher, hop, _):
        await watcher.subscribe(subscribe(), got.append, hop, expires=0)
        await until(lambda: got)
        assert (got[0].body, got[0].status.state) == (b"first", SubscriptionState.TERMINATED)
        assert bob.subscribers[0].ended.is_set()


@pytest.mark.anyio
async def test_a_refresh_brings_the_state_again() -> None:
    got: list[Notification] = []
    async with pair() as (bob, watcher, hop, _):
        subscription = await watcher.subscribe(subscribe(), got.append, hop)
        await until(lambda: got)
        refreshed: list[Subscriber] = []
        bob.subscribers[0].on_refresh = refreshed.append
        await subscription._refresh()
        assert refreshed == bob.subscribers
        bob.subscribers[0]._serving.usages.clear()
        await subscription._refresh()
        assert subscription.reason == "the refresh was answered 481"


@pytest.mark.anyio
async def test_a_subscription_that_is_not_refreshed_expires() -> None:
    async def brief(subscriber: Subscriber) -> None:
        assert subscriber.accept(most=1) == 1
        await subscriber.notify(b"x", "text/plain")
        subscribers.append(subscriber)

    subscribers: list[Subscriber] = []
    got: list[Notification] = []
    async with pair(brief) as (_, watcher, hop, _):
        subscription = await watcher.subscribe(subscribe(), got.append, hop)
        await until(lambda: subscribers)
        subscription._cancel_timer("refresh")
        subscription._cancel_timer("expiry")
        await until(lambda: subscription.ended.is_set())
        assert (subscription.reason, got[-1].status.reason) == ("timeout", "timeout")
        assert subscribers[0].ended.is_set()


@pytest.mark.anyio
async def test_refusals_and_handlers_that_fail() -> None:
    async def refuse(subscriber: Subscriber) -> None:
        subscriber.refuse(403)
        with pytest.raises(WrongState):
            subscriber.accept()

    async def fail(subscriber: Subscriber) -> None:
        raise RuntimeError("bug")

    for serve, status in ((refuse, 403), (fail, 500)):
        async with pair(serve) as (bob, watcher, hop, _):
            with pytest.raises(SubscriptionRefused) as caught:
                await watcher.subscribe(subscribe(), lambda notification: None, hop)
            assert caught.value.response.status == status
            failed = [event.error for event in bob.events if isinstance(event, HandlerFailed)]
            assert failed == (["RuntimeError"] if status == 500 else [])
            assert watcher.serving.usages == {}
    async with pair() as (_, watcher, hop, _):
        bare = subscribe()
        with pytest.raises(SubscriptionRefused) as caught:
            await watcher.subscribe(
                replace(bare, headers=bare.headers.without("Event")), lambda notification: None, hop
            )
        assert caught.value.response.status == 489


@pytest.mark.anyio
async def test_without_notify_it_ends() -> None:
    async def silent(subscriber: Subscriber) -> None:
        subscriber.accept()

    async with pair(silent) as (_, watcher, hop, _):
        subscription = await watcher.subscribe(subscribe(), lambda notification: None, hop)
        await soon(subscription.ended.wait())
        assert subscription.reason == "no NOTIFY came"


@pytest.mark.anyio
async def test_a_subscriber_that_is_gone_ends_it() -> None:
    async with pair() as (bob, watcher, hop, _):
        await watcher.subscribe(subscribe(), lambda notification: None, hop)
        await until(lambda: bob.subscribers)
        watcher.serving.usages.clear()
        await bob.subscribers[0].notify(b"x", "text/plain")
        assert bob.subscribers[0].reason == "a NOTIFY was answered 481"


@pytest.mark.anyio
async def test_notifies_that_do_not_belong_are_refused() -> None:
    got: list[Notification] = []
    async with pair() as (bob, watcher, hop, notifier):
        await watcher.subscribe(subscribe(), got.append, hop)
        await until(lambda: got)
        dialog = bob.subscribers[0]._dialog
        flow = bob.subscribers[0].peer
        state = ("Subscription-State", "active")

        async def answer(request: Request) -> int:
            return (await notifier.request(request, flow)).status

        assert await answer(dialog.request("NOTIFY", headers=[("Event", "conference"), state])) == 489
        assert await answer(dialog.request("NOTIFY", headers=[("Event", "presence;id=2"), state])) == 489
        assert await answer(dialog.request("NOTIFY", headers=[("Event", "presence")])) == 400
        assert await answer(dialog.request("MESSAGE", headers=[("Event", "presence"), state])) == 405
        pending = ("Subscription-State", "pending")
        assert await answer(dialog.request("NOTIFY", headers=[("Event", "presence"), pending])) == 400
        late = dialog.request("NOTIFY", headers=[("Event", "presence"), state])
        assert await answer(dialog.request("NOTIFY", headers=[("Event", "presence"), state])) == 200
        assert await answer(late) == 500
        forked = dialog.request("NOTIFY", headers=[("Event", "presence"), state])
        forked = replace(forked, headers=forked.headers.set("From", "<sip:bob@mc.example>;tag=other"))
        assert await answer(forked) == 481
        assert len(got) == 2


@pytest.mark.anyio
async def test_a_notify_that_overtakes_the_answer_makes_the_dialog() -> None:
    """Over UDP the first NOTIFY may come before the 200 (RFC 6665 4.1.2.4)."""
    got: list[Notification] = []

    async def early(subscriber: Subscriber) -> None:
        core = subscriber._core
        held: list[tuple[bytes, object]] = []
        send = core.transport.send

        def hold(octets: bytes, peer: object) -> None:
            held.append((octets, peer)) if octets.startswith(b"SIP/2.0 200") else send(octets, peer)  # type: ignore[func-returns-value,arg-type]

        core.transport.send = hold  # type: ignore[method-assign]
        subscriber.accept()
        await subscriber.notify(b"early", "text/plain")
        core.transport.send = send  # type: ignore[method-assign]
        for octets, peer in held:
            send(octets, peer)  # type: ignore[arg-type]

    async with pair(early, transport="UDP") as (_, watcher, hop, _):
        subscription = await watcher.subscribe(subscribe(), got.append, hop)
        assert [notification.body for notification in got] == [b"early"]
        assert subscription.state is SubscriptionState.ACTIVE
        assert (await subscription._ask_again()).status == 200


@pytest.mark.anyio
async def test_refreshes_that_do_not_belong_are_refused() -> None:
    got: list[Notification] = []
    async with pair() as (bob, watcher, hop, _):
        subscription = await watcher.subscribe(subscribe(), got.append, hop)
        await until(lambda: got)
        dialog = subscription._dialog
        assert dialog is not None

        async def answer(request: Request) -> int:
            return (await watcher.request(request, hop)).status

        late = dialog.request("SUBSCRIBE", headers=[("Event", "presence")])
        assert await answer(dialog.request("SUBSCRIBE", headers=[("Event", "conference")])) == 489
        assert await answer(late) == 500
        assert await answer(dialog.request("MESSAGE")) == 405
        dialog.contact = "<broken>"
        assert await answer(dialog.request("SUBSCRIBE", headers=[("Event", "presence")])) == 400
        assert bob.subscribers[0].state is SubscriptionState.ACTIVE
        assert len(got) == 1


@pytest.mark.anyio
async def test_a_subscriber_without_contact_is_refused_and_a_state_needs_an_answer_first() -> None:
    async def hasty(subscriber: Subscriber) -> None:
        with pytest.raises(WrongState):
            await subscriber.notify(b"x", "text/plain")
        subscriber.accept()
        await subscriber.notify(pending=True)
        await subscriber.notify(b"x", "text/plain")
        with pytest.raises(WrongState):
            await subscriber.notify(pending=True)

    states: list[SubscriptionState] = []
    async with pair(hasty) as (bob, watcher, hop, _):
        assert (await watcher.request(subscribe(), hop)).status == 400
        await watcher.subscribe(
            subscribe(), lambda notification: states.append(notification.status.state), hop
        )
        await until(lambda: len(states) == 2)
        assert states == [SubscriptionState.PENDING, SubscriptionState.ACTIVE]
        await asyncio.sleep(0.02)
        assert not [event for event in bob.events if isinstance(event, HandlerFailed)]


@pytest.mark.anyio
async def test_a_subscription_that_cannot_be_asked_for_leaves_nothing() -> None:
    async with pair() as (bob, watcher, hop, _):
        with pytest.raises(Unreachable):
            await watcher.subscribe(subscribe(), lambda notification: None, replace(hop, port=1))
        assert watcher.serving.usages == {}
        subscription = await watcher.subscribe(subscribe(), lambda notification: None, hop)
        await until(lambda: bob.subscribers)
        subscription._target = replace(hop, port=1)
        await subscription._refresh()
        assert subscription.state is SubscriptionState.ACTIVE
        await subscription.unsubscribe()
        assert subscription.reason == "no last NOTIFY came"
        bob.subscribers[0]._flow = None
        bob.subscribers[0]._dialog.target = "sip:alice@127.0.0.1:1;transport=tcp"
        await bob.subscribers[0].notify(b"x", "text/plain")
        assert bob.subscribers[0].reason == "sip.unreachable"


@pytest.mark.anyio
async def test_a_subscription_is_challenged() -> None:
    password = Secret(b"open sesame")
    digest = DigestServer(
        "mc.example", lambda user, algorithm: user_hash(user, "mc.example", password, algorithm)
    )

    async def guarded(subscriber: Subscriber) -> None:
        try:
            digest.verify(subscriber.request, 1.0)
        except Unauthorized:
            challenge = digest.challenge(subscriber.request, 1.0)
            names = ("WWW-Authenticate",)
            lines = [(name, value) for name in names for value in challenge.headers.all(name)]
            subscriber.refuse(401, headers=lines)
            return
        subscriber.accept()
        await subscriber.notify(b"x", "text/plain")

    got: list[Notification] = []
    async with pair(guarded) as (_, watcher, hop, _):
        await watcher.subscribe(subscribe(), got.append, hop, credentials=DigestClient("alice", password))
        await until(lambda: got)
