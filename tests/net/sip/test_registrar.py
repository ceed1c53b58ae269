"""The registrar: bindings, order, expiry, Path, and all-or-nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.net.sip.compose import make_request
from mcsec.net.sip.message import Request
from mcsec.net.sip.registrar import ContactBound, ContactUnbound, Registrar, RegistrarSettings

AOR = "sip:alice@mc.example"


def register(
    *contacts: str,
    call_id: str = "c1",
    cseq: int = 1,
    expires: int | None = None,
    aor: str = AOR,
    headers: object = (),
) -> Request:
    lines = [("Via", "SIP/2.0/TCP h;branch=z9hG4bK1"), *(("Contact", contact) for contact in contacts)]
    if expires is not None:
        lines.append(("Expires", str(expires)))
    lines += headers  # type: ignore[operator]  # pairs, as in make_request
    return make_request(
        "REGISTER", "sip:mc.example", from_=aor, to=aor, call_id=call_id, cseq=cseq, headers=lines
    )


def contacts_of(registrar: Registrar, now: float = 0.0) -> list[str]:
    return [binding.contact for binding in registrar.lookup(AOR, now)]


def test_a_contact_is_bound_found_and_expires() -> None:
    registrar = Registrar()
    response, events = registrar.register(
        register("<sip:alice@a>;+g.3gpp.mcptt;q=0.5", expires=600), "flow", 100.0
    )
    assert response.status == 200
    assert response.headers.all("Contact") == ("<sip:alice@a>;+g.3gpp.mcptt;expires=600;q=0.5",)
    (bound,) = events
    assert isinstance(bound, ContactBound)
    assert (bound.fresh, bound.binding.source, bound.binding.expires_at, bound.binding.q) == (
        True,
        "flow",
        700.0,
        0.5,
    )
    assert contacts_of(registrar, 699.0) == ["sip:alice@a"]
    assert contacts_of(registrar, 700.0) == []
    assert registrar.next_timer() == 700.0
    assert registrar.handle_timer(700.0) == [ContactUnbound(bound.binding, expired=True)]
    assert (len(registrar), registrar.next_timer()) == (0, None)


def test_a_refresh_moves_the_expiry_and_is_not_fresh() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:alice@a>", expires=600), "f", 0.0)
    _, events = registrar.register(register("<sip:alice@a>", cseq=2, expires=600), "f", 300.0)
    assert [isinstance(event, ContactBound) and event.fresh for event in events] == [False]
    assert registrar.handle_timer(600.0) == []
    assert contacts_of(registrar, 899.0) == ["sip:alice@a"]


@pytest.mark.parametrize(
    ("contact", "expires", "granted"),
    [
        ("<sip:a@h>;expires=120", 600, 120),
        ("<sip:a@h>", 600, 600),
        ("<sip:a@h>", None, 3600),
        ("<sip:a@h>;expires=nonsense", None, 3600),
        ("<sip:a@h>;expires=9999999999", None, 86400),
    ],
)
def test_how_long(contact: str, expires: int | None, granted: int) -> None:
    registrar = Registrar()
    registrar.register(register(contact, expires=expires), "f", 0.0)
    assert registrar.lookup(AOR, 0.0)[0].expires_at == granted


def test_a_time_too_brief_is_refused_with_what_would_do() -> None:
    registrar = Registrar(RegistrarSettings(least=60))
    response, events = registrar.register(register("<sip:a@h>;expires=59"), "f", 0.0)
    assert (response.status, response.headers.get("Min-Expires"), events) == (423, "60", [])
    assert len(registrar) == 0


def test_several_contacts_in_the_order_of_their_quality() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:a@h>;q=0.1, <sip:b@h>;q=0.9", "<sip:c@h>"), "f", 0.0)
    assert contacts_of(registrar) == ["sip:c@h", "sip:b@h", "sip:a@h"]
    response, _ = registrar.register(register(cseq=2), "f", 10.0)
    assert len(response.headers.all("Contact")) == 3


def test_contacts_are_the_same_by_the_rules_of_uris() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:alice@Host;transport=tcp>"), "f", 0.0)
    registrar.register(register("<sip:%61lice@host;TRANSPORT=TCP>", cseq=2), "f", 0.0)
    registrar.register(register("<sip:alice@host>", cseq=3), "f", 0.0)
    assert len(registrar) == 2


def test_an_address_of_record_is_one_however_it_is_written() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:a@h>", aor="sip:%61lice@MC.Example;x=y"), "f", 0.0)
    assert contacts_of(registrar) == ["sip:a@h"]


def test_expires_0_takes_one_contact_away_and_a_star_all() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:a@h>, <sip:b@h>, <sip:c@h>"), "f", 0.0)
    _, events = registrar.register(register("<sip:b@h>;expires=0", cseq=2), "f", 0.0)
    assert [event.binding.contact for event in events if isinstance(event, ContactUnbound)] == ["sip:b@h"]
    assert sorted(contacts_of(registrar)) == ["sip:a@h", "sip:c@h"]
    response, events = registrar.register(register("*", cseq=3, expires=0), "f", 0.0)
    assert (response.status, len(events), len(registrar)) == (200, 2, 0)


@pytest.mark.parametrize(
    "request_",
    [
        register("*", expires=600),
        register("*"),
        register("*", "<sip:a@h>", expires=0),
        register("<sip:a@h>;q=2"),
        register("<sip:a@h>;q=x"),
        register("<sip:a@h>;q=nan"),
        register("<nonsense>"),
        register("<sip:new@h>, <nonsense>"),
        register("<sip:new@h>", headers=[("Path", '<sip:p"')]),
    ],
)
def test_broken_registrations_change_nothing(request_: Request) -> None:
    registrar = Registrar()
    registrar.register(register("<sip:old@h>", call_id="other"), "f", 0.0)
    response, events = registrar.register(request_, "f", 0.0)
    assert (response.status, events) == (400, [])
    assert contacts_of(registrar) == ["sip:old@h"]


def test_an_overtaken_update_changes_nothing() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:a@h>", cseq=5), "f", 0.0)
    for late in (register("<sip:a@h>;expires=0", cseq=5), register("*", cseq=4, expires=0)):
        response, events = registrar.register(late, "f", 0.0)
        assert (response.status, events) == (500, [])
    after_restart = register("<sip:a@h>;expires=0", call_id="c2", cseq=1)
    assert registrar.register(after_restart, "f", 0.0)[0].status == 200
    assert len(registrar) == 0


def test_one_user_cannot_fill_the_memory() -> None:
    registrar = Registrar(RegistrarSettings(bindings=3))
    many = ", ".join(f"<sip:a{number}@h>" for number in range(4))
    assert registrar.register(register(many), "f", 0.0)[0].status == 403
    assert len(registrar) == 0
    assert registrar.register(register("<sip:a@h>, <sip:b@h>, <sip:c@h>"), "f", 0.0)[0].status == 200
    assert registrar.register(register("<sip:d@h>", cseq=2), "f", 0.0)[0].status == 403


def test_only_our_domains_and_schemes() -> None:
    registrar = Registrar(RegistrarSettings(domains=frozenset({"mc.example"})))
    assert registrar.register(register("<sip:a@h>"), "f", 0.0)[0].status == 200
    for aor in ("sip:alice@other.example", "urn:service:sos"):
        assert registrar.register(register("<sip:a@h>", aor=aor), "f", 0.0)[0].status == 404


def test_path_is_kept_and_given_back_with_the_service_route() -> None:
    registrar = Registrar(RegistrarSettings(service_route=("<sip:core.mc.example;lr>",)))
    paths = [("Path", "<sip:p2;lr>, <sip:p1;lr>"), ("Supported", "path")]
    response, _ = registrar.register(register("<sip:a@h>", headers=paths), "f", 0.0)
    assert response.headers.all("Path") == ("<sip:p2;lr>, <sip:p1;lr>",)
    assert response.headers.all("Service-Route") == ("<sip:core.mc.example;lr>",)
    assert registrar.lookup(AOR, 0.0)[0].route() == [("Route", "<sip:p2;lr>"), ("Route", "<sip:p1;lr>")]


def test_a_flow_that_is_gone_takes_its_bindings_along() -> None:
    registrar = Registrar()
    registrar.register(register("<sip:a@h>"), "flow 1", 0.0)
    registrar.register(register("<sip:b@h>", call_id="c2"), "flow 2", 0.0)
    registrar.register(register("<sip:c@h>", call_id="c3", headers=[("Path", "<sip:p;lr>")]), "flow 1", 0.0)
    events = registrar.forget("flow 1")
    assert [event.binding.contact for event in events] == ["sip:a@h"]
    assert sorted(contacts_of(registrar)) == ["sip:b@h", "sip:c@h"]


def test_bindings_survive_a_restart() -> None:
    before, after = Registrar(), Registrar()
    before.register(register("<sip:a@h>", expires=600), "f", 0.0)
    after.restore(before.lookup(AOR, 0.0))
    assert contacts_of(after) == ["sip:a@h"]
    assert len(after.handle_timer(600.0)) == 1


CONTACTS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 0, 30, 60, 600])), min_size=1, max_size=3
)


@given(st.lists(st.tuples(CONTACTS, st.sampled_from(["c1", "c2"]), st.integers(0, 400)), max_size=12))
def test_bindings_and_events_agree_in_any_order(
    steps: list[tuple[list[tuple[str, int | None]], str, int]],
) -> None:
    registrar, now, alive = Registrar(RegistrarSettings(bindings=3)), 0.0, set()
    for cseq, (contacts, call_id, wait) in enumerate(steps, 1):
        now += wait
        lines = [f"<sip:{name}@h>" + ("" if time is None else f";expires={time}") for name, time in contacts]
        response, events = registrar.register(register(*lines, call_id=call_id, cseq=cseq), "f", now)
        for event in events:
            if isinstance(event, ContactUnbound):
                alive.remove(event.binding.contact)
            else:
                assert event.fresh is (event.binding.contact not in alive)
                alive.add(event.binding.contact)
        assert {binding.contact for binding in registrar.lookup(AOR, now)} == alive
        assert len(alive) <= 3
        assert len(registrar._by_source) == len(registrar._timers) == bool(alive)
        if response.ok:
            assert len(response.headers.all("Contact")) == len(alive)
        else:
            assert all(isinstance(event, ContactUnbound) and event.expired for event in events)
