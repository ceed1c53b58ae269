"""A report says what records say: which keys protected what, made by whom, held by whom, at the time asked about."""

from __future__ import annotations

import pytest

from mcsec.ids import PurposeTag
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.provenance import Chain
from mcsec.keys.records import Happening as H
from mcsec.keys.records import Record
from mcsec.keys.report import Asked, report

OWN, FOREIGN = Maker("a.example", "mcx.a.example"), Maker("b.example", "gms.b.example")
GROUP, OTHER = "sip:rescue@b.example", "sip:other@a.example"


def musik(group: str, maker: Maker = OWN) -> Key:
    return make(PurposeTag.MUSIK, scope=Scope.of(group), maker=maker, now=0.0)


FIRST, SECOND, ELSE = musik(GROUP), musik(GROUP), musik(OTHER)


def records() -> list[Record]:
    chain = Chain("a.example")
    return [
        chain.append(H.MADE, FIRST, now=10),
        chain.append(H.MADE, ELSE, now=11),
        chain.append(H.HELD, FIRST, now=12, subject="sip:u1"),
        chain.append(H.DELIVERY_REFUSED, FIRST, now=12, subject="sip:u2", reason="no room"),
        chain.append(H.FIRST_USED, FIRST, now=13, subject="t1", traffic="MBMS_FLOOR"),
        chain.append(H.FIRST_USED, FIRST, now=14, subject="t2", traffic="MBMS_FLOOR"),
        chain.append(H.FIRST_USED, ELSE, now=15, subject="t1", traffic="MBMS_FLOOR"),
        chain.append(H.MADE, SECOND, now=20),
        chain.append(H.HELD, SECOND, now=21, members=["sip:u2", "sip:u3"]),
        chain.append(H.RETIRED, FIRST, now=22),
        chain.append(H.FIRST_USED, SECOND, now=23, subject="t1", traffic="MBMS_FLOOR"),
        chain.append(H.DESTROYED, FIRST, now=30),
    ]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Asked(), [FIRST, ELSE, SECOND]),
        (Asked(until=14), [FIRST]),
        (Asked(since=22.5), [ELSE, SECOND]),
        (Asked(since=16, until=19), [FIRST, ELSE]),
        (Asked(since=0, until=9), []),
        (Asked(bearer="t2"), [FIRST]),
        (Asked(group=GROUP), [FIRST, SECOND]),
        (Asked(client="sip:u1"), [FIRST]),
        (Asked(client="sip:u2", group=GROUP), [SECOND]),
        (Asked(client="sip:u3"), [SECOND]),
        (Asked(client="sip:nobody"), []),
    ],
)
def test_which_keys(asked: Asked, expected: list[Key]) -> None:
    found = report(records(), "a.example", asked)
    assert [facts.key_id for facts in found.keys] == [key.key_id for key in expected]
    assert found.statement.holds == bool(expected)


def test_facts_and_evidence() -> None:
    kept = records()
    found = report(kept, "a.example", Asked(bearer="t1", until=19))
    first = found.keys[0]
    assert (first.maker, first.scope, first.made) == (OWN, (GROUP,), kept[0])
    assert first.held == {"sip:u1": 12}
    assert first.refused == {"sip:u2": "no room"}
    assert first.ended == kept[9]
    assert [record.sequence for record in found.evidence] == [0, 1, 4, 6]


def test_a_foreign_key_and_one_of_no_origin_break_the_statement() -> None:
    for key, told in (
        (musik(GROUP, FOREIGN), "from another domain"),
        (musik(GROUP), "no record of its making"),
    ):
        chain = Chain("a.example")
        used = chain.append(H.FIRST_USED, key, now=1, subject="t1", traffic="MBMS_FLOOR")
        found = report([used], "a.example", Asked())
        assert not found.statement.holds
        assert told in str(found.statement)
