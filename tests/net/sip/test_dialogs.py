"""Dialogs: tags, routes, targets and the order of requests on both sides."""

from __future__ import annotations

import pytest

from mcsec.errors import InvalidValue, WrongState
from mcsec.net.sip.call_states import CALL, CallInput, CallState, step
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.dialogs import Dialog, OutOfOrder, first_hop
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.session_timer import SessionTimer, accept, agreed, offer, too_brief


def invite(*headers: tuple[str, str]) -> Request:
    return make_request(
        "INVITE",
        "sip:bob@mc.example",
        from_="sip:alice@mc.example",
        headers=[("Via", "SIP/2.0/TCP h;branch=z9hG4bK1"), ("Contact", "<sip:alice@a.example>"), *headers],
    )


def both(*routes: str, strict: bool = False) -> tuple[Dialog, Dialog]:
    """The caller's and the called side of one dialog through proxies, the caller's first."""
    lr = "" if strict else ";lr"
    recorded = [("Record-Route", f"<sip:{route}{lr}>") for route in reversed(routes)]
    request = invite(*recorded)
    called = Dialog.of_request(request, "b", "<sip:bob@b.example>")
    answer = make_response(request, 200, to_tag="b", headers=[*recorded, ("Contact", "<sip:bob@b.example>")])
    return Dialog.of_response(request, answer), called


def test_both_sides_name_the_same_dialog() -> None:
    caller, called = both()
    assert (caller.id.call_id, caller.id.local_tag, caller.id.remote_tag) == (
        called.id.call_id,
        called.id.remote_tag,
        called.id.local_tag,
    )
    assert caller.id.half.remote_tag == ""


@pytest.mark.parametrize("routes", [(), ("p1.example",), ("p1.example", "p2.example", "p3.example")])
def test_requests_take_the_recorded_way_in_both_directions(routes: tuple[str, ...]) -> None:
    caller, called = both(*routes)
    there, back = caller.request("BYE"), called.request("BYE")
    assert (there.uri, back.uri) == ("sip:bob@b.example", "sip:alice@a.example")
    assert list(there.headers.all("Route")) == [f"<sip:{route};lr>" for route in routes]
    assert list(back.headers.all("Route")) == [f"<sip:{route};lr>" for route in reversed(routes)]
    assert first_hop(there) == (f"sip:{routes[0]};lr" if routes else None)


def test_a_dialog_that_a_notify_made_learns_its_route_from_the_answer() -> None:
    request = invite()
    dialog = Dialog.of_request(invite(), "b", "<sip:bob@b.example>")
    routes = [("Record-Route", "<sip:p2;lr>, <sip:p1;lr>")]
    dialog.learn_routes(make_response(request, 200, to_tag="another", headers=routes))
    assert dialog.routes == ()
    dialog.learn_routes(make_response(request, 200, to_tag=dialog.id.remote_tag, headers=routes))
    assert dialog.routes == ("<sip:p1;lr>", "<sip:p2;lr>")
    dialog.learn_routes(make_response(request, 200, to_tag=dialog.id.remote_tag))
    assert dialog.routes == ("<sip:p1;lr>", "<sip:p2;lr>")


def test_a_strict_router_stands_in_the_request_uri() -> None:
    caller, _ = both("p1.example", "p2.example", strict=True)
    there = caller.request("BYE")
    assert there.uri == "sip:p1.example"
    assert there.headers.all("Route") == ("<sip:p2.example>", "<sip:bob@b.example>")
    assert first_hop(there) is None


def test_requests_are_numbered_and_carry_the_tags() -> None:
    caller, called = both()
    first, second = caller.request("MESSAGE", body=b"x", content_type="text/plain"), caller.request("BYE")
    assert (first.cseq.number, second.cseq.number) == (2, 3)
    assert (first.from_.tag, first.to.tag) == (caller.id.local_tag, "b")
    for request in (first, second):
        called.received(request)
    for request in (first, second):
        with pytest.raises(OutOfOrder):
            called.received(request)
    assert called.request("BYE").cseq.number == 1
    with pytest.raises(InvalidValue):
        caller.request("MESSAGE", body=b"x")


def test_an_ack_has_the_number_and_the_credentials_of_its_invite() -> None:
    caller, called = both()
    request = caller.request("INVITE", headers=[("Proxy-Authorization", "Digest x=y")])
    ack = caller.ack(request)
    assert (ack.method, ack.cseq.number, ack.cseq.method) == ("ACK", request.cseq.number, "ACK")
    assert ack.headers.get("Proxy-Authorization") == "Digest x=y"
    called.received(request)
    called.received(ack)


def test_a_target_moves_with_a_reinvite_and_its_answer() -> None:
    caller, called = both()
    caller.contact = "<sip:alice@moved.example>"
    request = caller.request("INVITE")
    called.received(request)
    assert called.request("BYE").uri == "sip:alice@moved.example"
    caller.answered(make_response(request, 200, headers=[("Contact", "<sip:bob@moved.example>")]))
    assert caller.request("BYE").uri == "sip:bob@moved.example"
    caller.answered(make_response(request, 488, headers=[("Contact", "<sip:eve@evil.example>")]))
    assert caller.request("BYE").uri == "sip:bob@moved.example"


@pytest.mark.parametrize("contact", [None, "*", "<sip:a@b>, <sip:c@d>", "<not a uri>", "<nocolon>"])
def test_a_dialog_needs_one_contact(contact: str | None) -> None:
    request = invite()
    headers = request.headers.without("Contact")
    request = Request(
        "INVITE", request.uri, headers=headers.add(("Contact", contact)) if contact else headers
    )
    with pytest.raises(BadMessage):
        Dialog.of_request(request, "b", "<sip:bob@b>")


@pytest.mark.parametrize("contact", ["<tel:+1>", "<sip:a@b;transport=sctp>", "<urn:service:sos>"])
def test_a_dialog_whose_requests_could_go_nowhere_is_refused(contact: str) -> None:
    request = invite()
    nowhere = Request("INVITE", request.uri, headers=request.headers.set("Contact", contact))
    with pytest.raises(BadMessage):
        Dialog.of_request(nowhere, "b", "<sip:bob@b>")
    routed = Request(
        "INVITE", nowhere.uri, headers=nowhere.headers.add(("Record-Route", "<sip:p.example;lr>"))
    )
    assert Dialog.of_request(routed, "b", "<sip:bob@b>").target == contact.strip("<>")
    with pytest.raises(BadMessage):
        Dialog.of_request(
            Request("INVITE", request.uri, headers=request.headers.add(("Record-Route", contact))),
            "b",
            "<sip:bob@b>",
        )
    _, called = both()
    called.contact = contact
    moved = called.request("INVITE")
    caller, _ = both()
    with pytest.raises(BadMessage):
        caller.received(moved)
    assert caller.target == "sip:bob@b.example"


def test_no_dialog_without_tag() -> None:
    request = invite()
    with pytest.raises(BadMessage):
        Dialog.of_response(request, Response(200, "OK", headers=request.headers))


def test_the_table_of_calls_is_whole() -> None:
    reached, todo = {CallState.CALLING, CallState.OFFERED}, [CallState.CALLING, CallState.OFFERED]
    while todo:
        for after in CALL[todo.pop()].values():
            if after not in reached:
                reached.add(after)
                todo.append(after)
    assert reached == set(CallState) == set(CALL)
    for state in reached - {CallState.ENDED}:
        assert CALL[state]
    assert {what for rows in CALL.values() for what in rows} == set(CallInput)
    with pytest.raises(WrongState):
        step(CallState.ENDED, CallInput.WE_HANG_UP)


@pytest.mark.parametrize(
    ("headers", "preferred", "interval", "ours"),
    [
        ([], 0, 0, False),
        ([], 1800, 1800, True),
        ([("Supported", "timer")], 1800, 1800, False),
        (offer(1800), 0, 1800, False),
        (offer(1800), 600, 600, False),
        (offer(1800, ours=False), 600, 600, True),
        (offer(1800, ours=True), 600, 600, False),
        ([*offer(1800, least=900)], 600, 900, False),
        ([("Session-Expires", "1800")], 0, 1800, True),
    ],
)
def test_a_session_timer_is_agreed(
    headers: list[tuple[str, str]], preferred: int, interval: int, ours: bool
) -> None:
    request = invite(*headers)
    timer, lines = accept(request, preferred)
    assert timer == SessionTimer(interval, ours)
    theirs = agreed(make_response(request, 200, headers=lines))
    assert theirs.interval == interval
    if interval:
        assert theirs.ours is not ours


def test_who_acts_when() -> None:
    assert SessionTimer(1800, True).acts_after == 900
    assert SessionTimer(1800, False).acts_after == 1768
    assert SessionTimer(90, False).acts_after == 60
    assert SessionTimer().acts_after is None


def test_timers_that_are_none_or_too_brief() -> None:
    assert too_brief(invite(("Session-Expires", "30")), 90)
    assert not too_brief(invite(("Session-Expires", "90")), 90)
    for value in ("x", "-1", "", "9" * 12):
        with pytest.raises(BadMessage):
            accept(invite(("Session-Expires", value)), 0)
