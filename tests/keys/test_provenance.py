"""The hash chain of what happened to keys: what it holds, and what it shows when someone touched it."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import PurposeTag
from mcsec.keys import events
from mcsec.keys.audit import history, state_control, uses
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import Chain, ChainBroken, Fault, Happening, Head, Record, decode, encode, verify
from support.keys import GMS_B, SERVER_A, musik

DOMAIN, GROUP = SERVER_A.domain, "sip:g1@b.example"
LENGTH = 6


def chain(key: Key, length: int = LENGTH) -> list[Record]:
    made = Chain(DOMAIN)
    return [
        made.append(
            list(Happening)[number], key, now=1000.5 + number, subject=f"käthe {number}", reason="why"
        )
        for number in range(length)
    ]


def head_of(records: list[Record]) -> Head:
    return Head(len(records), records[-1].digest)


def remade(record: Record, **changes: object) -> Record:
    """Altered by someone who knows how digests are made."""
    altered = replace(record, **changes)
    return replace(altered, digest=altered.seal())


def broken(records: list[Record], known: Head | None = None) -> tuple[int, Fault]:
    with pytest.raises(ChainBroken) as caught:
        verify(records, DOMAIN, known=known)
    assert caught.value.code == f"provenance.{caught.value.fault.name.lower().replace('_', '-')}"
    return caught.value.sequence, caught.value.fault


def test_a_chain_that_nobody_touched_verifies() -> None:
    records = chain(musik())
    assert verify(records, DOMAIN) == head_of(records)
    assert verify(records, DOMAIN, known=head_of(records[:3])) == head_of(records)
    assert verify(records[3:], DOMAIN, start=head_of(records[:3]), known=head_of(records)) == head_of(records)
    assert verify([], DOMAIN) == Head.start(DOMAIN)


def test_a_chain_goes_on_from_its_head() -> None:
    records, key = chain(musik()), musik()
    later = Chain(DOMAIN, head_of(records)).append(Happening.MADE, key, now=2000.0)
    assert verify([*records, later], DOMAIN).length == LENGTH + 1


ALTERED = {
    "time": 1,
    "happening": Happening.REVOKED,
    "key_id": musik().key_id,
    "scope": ("sip:other",),
    "maker": Maker("c.example", "sip:mcx.c.example"),
    "signer": "someone",
    "subject": "someone",
    "traffic": "MBMS_FLOOR",
    "reason": "because",
    "members": ("sip:mallory",),
}


def test_every_field_is_protected() -> None:
    assert set(ALTERED) | {"sequence", "domain", "previous", "digest"} == {
        field.name for field in fields(Record)
    }


@pytest.mark.parametrize("field", ALTERED)
@pytest.mark.parametrize("place", range(LENGTH))
def test_an_alteration_shows_where_it_was_made(field: str, place: int) -> None:
    records = chain(musik())
    known = head_of(records)
    records[place] = replace(records[place], **{field: ALTERED[field]})
    assert broken(records) == (place, Fault.ALTERED)
    records[place] = remade(records[place])
    if place < LENGTH - 1:
        assert broken(records) == (place + 1, Fault.UNLINKED)
    else:
        assert broken(records, known) == (place, Fault.FORKED)


@pytest.mark.parametrize("place", range(LENGTH - 1))
def test_a_gap_shows(place: int) -> None:
    records = chain(musik())
    del records[place]
    assert broken(records) == (place + 1, Fault.MISSING)


@pytest.mark.parametrize("place", range(1, LENGTH))
def test_a_gap_that_was_renumbered_shows(place: int) -> None:
    records = chain(musik())
    rest = [remade(record, sequence=record.sequence - 1) for record in records[place + 1 :]]
    if rest:
        assert broken(records[:place] + rest) == (place, Fault.UNLINKED)


def test_another_order_shows() -> None:
    records = chain(musik())
    records[2], records[3] = records[3], records[2]
    assert broken(records) == (3, Fault.MISSING)
    assert broken([*chain(musik())[:3], records[1]])[1] in (Fault.OUT_OF_ORDER, Fault.UNLINKED)


def test_a_repetition_shows() -> None:
    records = chain(musik())
    assert broken([*records, records[-1]]) == (LENGTH - 1, Fault.OUT_OF_ORDER)


@pytest.mark.parametrize("kept", range(LENGTH))
def test_truncation_shows_against_a_known_head(kept: int) -> None:
    records = chain(musik())
    assert verify(records[:kept], DOMAIN).length == kept
    assert broken(records[:kept], head_of(records)) == (kept, Fault.TRUNCATED)


def test_another_domains_chain_shows() -> None:
    foreign = Chain("b.example")
    record = foreign.append(Happening.MADE, musik(), now=0.0)
    assert broken([record]) == (0, Fault.FOREIGN)
    assert broken([remade(record, domain=DOMAIN)]) == (0, Fault.UNLINKED)


def test_a_chain_made_anew_shows_against_a_known_head() -> None:
    records = chain(musik())
    assert broken(chain(musik()), head_of(records[:2])) == (1, Fault.FORKED)


def test_lines_come_back_as_they_were() -> None:
    records = chain(make(PurposeTag.MKFC, scope=Scope.of(GROUP, "sip:g2"), maker=GMS_B, now=0.0))
    lines = [encode(record) for record in records]
    assert all(line.isascii() and "\n" not in line for line in lines)
    assert [decode(line) for line in lines] == records
    assert json.loads(lines[0])["maker"] == ["b.example", "sip:gms.b.example"]


def test_no_record_holds_key_octets() -> None:
    key = musik()
    text = "".join(encode(record) + repr(record) for record in chain(key))
    for octets in (key.secret.reveal(), key.rand):
        assert octets.hex() not in text
    with pytest.raises(InvalidValue):
        Chain(DOMAIN).append(Happening.MADE, key, now=0.0, reason=key.secret)  # type: ignore[arg-type]  # on purpose
    assert "Secret" not in "".join(str(field.type) for field in fields(Record))


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_arbitrary_lines_are_refused(line: str) -> None:
    with pytest.raises(DecodeError):
        decode(line)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([field.name for field in fields(Record)]), JSON)
def test_a_field_of_another_type_is_refused_or_shows(name: str, value: object) -> None:
    record = chain(musik(), 1)[0]
    plain = json.loads(encode(record))
    if plain.get(name) == value and name in plain:
        return
    try:
        read = decode(json.dumps(plain | {name: value}))
    except DecodeError:
        return
    assert broken([read])[0] == read.sequence


def test_members_who_answered_together_are_one_record() -> None:
    key, made = musik(), Chain(DOMAIN)
    alone = made.note_held([events.KeyHeld(1.0, key.key_id, "sip:alice")], key)
    together = made.note_held([events.KeyHeld(2.0, key.key_id, f"sip:u{n}") for n in range(3)], key)
    assert (alone.subject, alone.members) == ("sip:alice", ())
    assert (together.subject, together.members) == ("", ("sip:u0", "sip:u1", "sip:u2"))
    assert [decode(encode(record)) for record in (alone, together)] == [alone, together]
    assert verify([alone, together], DOMAIN).length == 2
    assert broken([alone, replace(together, members=together.members[1:])]) == (1, Fault.ALTERED)
    with pytest.raises(InvalidValue):
        made.note_held([events.KeyHeld(3.0, musik().key_id, "sip:alice")], key)


def test_events_become_records() -> None:
    key, made = musik(), Chain(DOMAIN)
    assert made.note(events.KeyRenewalDue(1.0, key.key_id), key) is None
    happened = [
        events.KeyMade(1.0, key.key_id),
        events.KeyHeld(2.0, key.key_id, "sip:alice"),
        events.KeyFirstUsed(3.0, key.key_id, Traffic.MBMS_FLOOR.name, GROUP),
        events.KeyRevoked(4.0, key.key_id, "lost"),
        events.KeyInstalled(5.0, key.key_id, "default", "sip:mcx"),
    ]
    records = [record for event in happened if (record := made.note(event, key))]
    assert [(record.happening, record.time) for record in records] == [
        (Happening.MADE, 1_000_000),
        (Happening.HELD, 2_000_000),
        (Happening.FIRST_USED, 3_000_000),
        (Happening.REVOKED, 4_000_000),
        (Happening.INSTALLED, 5_000_000),
    ]
    assert (records[1].subject, records[2].traffic, records[2].subject) == ("sip:alice", "MBMS_FLOOR", GROUP)
    assert (records[3].reason, records[4].signer) == ("lost", "sip:mcx")
    with pytest.raises(InvalidValue):
        made.note(events.KeyMade(1.0, musik().key_id), key)


def used(made: Chain, key: Key, traffic: Traffic, subject: str) -> Record:
    return made.append(Happening.FIRST_USED, key, now=9.0, traffic=traffic.name, subject=subject)


def test_which_keys_protected_what() -> None:
    made, key, other = Chain(DOMAIN), musik(), musik(Scope.of(GROUP))
    records = [
        made.append(Happening.MADE, key, now=1.0),
        used(made, key, Traffic.MBMS_FLOOR, "sip:g2"),
        used(made, other, Traffic.MBMS_FLOOR, GROUP),
    ]
    assert [(use.key_id, use.subject) for use in uses(records)] == [
        (key.key_id, "sip:g2"),
        (other.key_id, GROUP),
    ]
    assert [use.key_id for use in uses(records, GROUP)] == [other.key_id]
    assert history(records, key.key_id) == tuple(records[:2])


def test_the_server_controls_what_it_made_itself() -> None:
    made, key = Chain(DOMAIN), musik()
    gmk = make(PurposeTag.GMK, scope=Scope.of(GROUP), maker=GMS_B, now=0.0)
    records = [made.append(Happening.MADE, key, now=1.0), used(made, key, Traffic.MBMS_FLOOR, GROUP)]
    statement = state_control(records, DOMAIN)
    assert statement.holds
    assert "none came from outside the domain" in str(statement)
    # Media is the group's: its key may come from anywhere.
    assert state_control([*records, used(made, gmk, Traffic.GROUP_MEDIA, GROUP)], DOMAIN) == statement


def test_a_key_from_outside_and_a_key_from_nowhere_are_named() -> None:
    made, key = Chain(DOMAIN), musik()
    mkfc = make(PurposeTag.MKFC, scope=Scope.of(GROUP), maker=GMS_B, now=0.0)
    foreign = state_control([used(made, mkfc, Traffic.MBMS_FLOOR, GROUP)], DOMAIN)
    nowhere = state_control([used(made, key, Traffic.MBMS_FLOOR, GROUP)], DOMAIN)
    assert not foreign.holds
    assert f"MKFC {mkfc.key_id}, made by sip:gms.b.example of b.example" in str(foreign)
    assert not nowhere.holds
    assert "no record of its making" in str(nowhere)
    assert not state_control([], DOMAIN).holds
