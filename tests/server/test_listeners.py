"""Who hears a call is known for each bearer: a group may have bearers in several areas."""

from __future__ import annotations

from mcsec.ids import Tmgi
from mcsec.keys.kinds import Traffic
from mcsec.server.engine import ServerEngine
from mcsec.server.listeners import Listeners
from mcsec.server.signalling import OnBearer, Sent, ToClient
from support.domains import NOW
from support.engines import GROUP, OTHER_GROUP, TMGI, broadcasting, deliver, idle, user

ANN, BOB = user("ann"), user("bob")


def say(at: ServerEngine, tmgi: Tmgi | None) -> list[Sent]:
    ssrc = 1 if tmgi is None else at.ssrc(Traffic.MBMS_FLOOR, tmgi)
    return at.floor(tmgi, GROUP, idle(ssrc=ssrc), NOW)


def served(sent: list[Sent]) -> list[str]:
    return [one.client for one in sent if isinstance(one, ToClient)]


def test_who_leaves_one_bearer_hears_the_other_still() -> None:
    heard = Listeners()
    heard.add(ANN, "one", GROUP)
    heard.add(ANN, "two", GROUP)
    heard.add(BOB, "two", GROUP)
    assert (heard.on("one", GROUP), heard.on("two", GROUP), heard.of(GROUP)) == (
        {ANN},
        {ANN, BOB},
        {ANN, BOB},
    )
    heard.drop([ANN], GROUP, "one")
    assert heard.hears(ANN, GROUP)
    assert heard.on("one", GROUP) == set()
    heard.drop([ANN], GROUP)
    heard.drop([ANN, BOB], OTHER_GROUP, "one")
    assert heard.everywhere() == {GROUP: {BOB}}
    heard.drop([BOB], GROUP)
    assert heard.everywhere() == {}
    assert heard.of(OTHER_GROUP) == set()


def test_a_group_with_two_bearers_is_heard_on_each_by_those_who_hear_it_there() -> None:
    at, (ann, bob) = broadcasting("ann", "bob")
    other = Tmgi(TMGI.service_id + 1, "001", "01")
    at.activate_bearer(other, [ANN, BOB], NOW)
    deliver(at, [ann, bob])
    at.listens(BOB, other, GROUP, NOW)
    at.listens_no_more(BOB, TMGI, None, NOW)
    assert (at.listeners.on(str(TMGI), GROUP), at.listeners.on(str(other), GROUP)) == ({ANN}, {BOB})
    assert at.keydown.musiks[GROUP].audience.listeners == {ANN, BOB}, "who hears it elsewhere listens still"
    assert served(say(at, TMGI)) == []
    (there,) = say(at, other)
    assert isinstance(there, OnBearer)
    # Without bearers everybody is told, once.
    assert served(say(at, None)) == [ANN, BOB]
    at.listens_no_more(BOB, other, None, NOW)
    assert served(say(at, None)) == [ANN]
