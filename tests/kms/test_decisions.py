"""Decisions of a KMS by themselves: periods, freshness, access, paths, trust, protection keys, log."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.crypto.uid import ntp_seconds, period_start
from mcsec.errors import McsecError, Replayed
from mcsec.ids import host_of
from mcsec.keys.chain import ChainBroken
from mcsec.kms import access, pairs, paths, periods, records, trust
from mcsec.kms.access import AccessRules
from mcsec.kms.freshness import Freshness
from mcsec.kms.pairs import PairRules
from mcsec.kms.records import Act, Entry
from mcsec.kms.refusals import WORDS, KmsRefusal, status_of
from mcsec.net.tokens import Claims
from mcsec.store.kms import PairRow, PairState
from mcsec.wire import xml
from mcsec.wire.kms.encode import encode_certificate
from mcsec.wire.kms.model import BASE_PATH, Role
from support.domains import NOW, PERIOD, kms

PUBLIC = kms().public
PRESENT = PUBLIC.period_at(NOW)


def ntp(unix_time: float) -> int:
    return (ntp_seconds(unix_time) % (1 << 32)) << 32


def test_periods() -> None:
    start, end = (period_start(PRESENT + at, PERIOD, 0) for at in (0, 1))
    assert periods.wanted(PUBLIC, start, 60, None) == (PRESENT,)
    assert periods.wanted(PUBLIC, end - 61, 60, None) == (PRESENT,)
    assert periods.wanted(PUBLIC, end - 60, 60, None) == (PRESENT, PRESENT + 1)
    assert periods.wanted(PUBLIC, start, 0, ntp(end - 1)) == (PRESENT,)
    assert periods.wanted(PUBLIC, start, 0, ntp(end)) == (PRESENT + 1,)
    for far in (start - 1, end + PERIOD):
        with pytest.raises(KmsRefusal) as caught:
            periods.wanted(PUBLIC, start, 0, ntp(far))
        assert caught.value.status == 404


def test_periods_beyond_the_end_of_the_ntp_era() -> None:
    later = 2_085_978_496.0 + 10  # just after 2036-02-07 06:28:16
    number = PUBLIC.period_at(later)
    assert ntp_seconds(later) >> 32 == 1
    assert periods.wanted(PUBLIC, later, 0, ntp(later)) == (number,)
    assert periods.wanted(PUBLIC, later - 20, 0, ntp(later)) == (number,)
    assert periods.wanted(PUBLIC, later, 0, ntp(later - 11)) == (number,)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, 2**33))
def test_any_time_is_one_of_two_periods_or_refused(asked: int, now: int) -> None:
    try:
        (number,) = periods.wanted(PUBLIC, now, 0, asked)
    except KmsRefusal:
        return
    assert number - PUBLIC.period_at(now) in (0, 1)


def test_freshness() -> None:
    fresh = Freshness(10, 3, 1000)
    fresh.check(b"a" * 32, 1000, 1000)
    with pytest.raises(Replayed):
        fresh.check(b"a" * 32, 1000, 1005)
    for time in (1016, 994, 999):
        with pytest.raises(Replayed):
            fresh.check(b"b" * 32, time, 1005)
    fresh.check(b"b" * 32, 1010, 1001)
    fresh.check(b"c" * 32, 1001, 1001)
    with pytest.raises(KmsRefusal) as caught:
        fresh.check(b"d" * 32, 1001, 1001)
    assert caught.value.status == 503
    # What was remembered at 1001 for a time of 1010 can be repeated until 1020, and is remembered as long.
    with pytest.raises(Replayed):
        fresh.check(b"b" * 32, 1010, 1020)
    fresh.check(b"d" * 32, 1025, 1025)
    assert len(fresh) == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-12, 12), st.integers(0, 4)), max_size=60))
def test_nothing_is_taken_twice_and_memory_is_bounded(steps: list[tuple[int, int, int]]) -> None:
    fresh, now, taken = Freshness(10, 4, 0), 1000, set()
    for mark, off, pause in steps:
        now += pause
        try:
            fresh.check(bytes([mark]) * 32, now + off, now)
        except (Replayed, KmsRefusal):
            continue
        # The mark is a signature over the time too: the same mark comes with the same time only.
        assert (mark, now + off) not in taken
        taken.add((mark, now + off))
        assert len(fresh) <= 4


CLAIMS = Claims("sip:u@a.example", "i", "t", ("sip:u@a.example", "sip:u@b.example", "mcx.a.example"),
                frozenset(access.DEFAULT_SCOPES[:1]), 0, 0)  # fmt: skip
RULES = AccessRules(("a.example",), {"mcx.a.example": ("mcx.a.example", "psi.a.example")})


def test_access() -> None:
    assert access.identities(CLAIMS, RULES) == ("sip:u@a.example",)
    server = replace(CLAIMS, subject="mcx.a.example")
    assert access.identities(server, RULES) == ("mcx.a.example", "psi.a.example")
    with pytest.raises(KmsRefusal):
        access.identities(replace(CLAIMS, scopes=frozenset({"openid"})), RULES)


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("sip:u@a.example", "a.example"),
        ("sips:u@A.Example:5061;x=y", "a.example"),
        ("mcx.a.example", "mcx.a.example"),
        ("mcx.a.example:5060", "mcx.a.example"),
        ("u@a.example", "a.example"),
        ("https://a.example/path@b.example", "a.example"),
        ("sip:u@b.example@a.example", ""),
        ("tel:+123", ""),
        ("", ""),
    ],
)
def test_hosts(uri: str, host: str) -> None:
    assert host_of(uri) == host


@given(st.binary(max_size=60))
def test_any_path_is_read_or_refused(tail: bytes) -> None:
    for head in (b"", BASE_PATH.encode() + b"/", BASE_PATH.encode() + b"/keyprov/"):
        try:
            path = paths.parse(head + tail)
        except KmsRefusal as refusal:
            assert refusal.status in (400, 404)
        else:
            assert path.uri is None or not set(path.uri) & set("\x00\r\n \\")


def pair(number: int, state: PairState, client: str = "", made: int = 0) -> PairRow:
    return PairRow("u", number, client, state, made, Secret(b"t" * 32), Secret(b"i" * 32))


def test_protection_keys() -> None:
    rules = PairRules(enrolled_only=False, clients_per_user=2, lifetime=100)
    old, new = pair(1, PairState.CONFIRMED), pair(2, PairState.OFFERED)
    other = pair(3, PairState.CONFIRMED, "other")
    assert pairs.signed(old, [old, other], rules, 99) == pairs.PairDecision("", old)
    assert pairs.signed(old, [old, other], rules, 100).make_next
    assert pairs.signed(old, [old, new, other], rules, 100) == pairs.PairDecision("", old, offer=new)
    assert pairs.signed(new, [old, new, other], rules, 100) == pairs.PairDecision(
        "", new, confirm=(2,), retire=(1,)
    )
    first = pairs.unsigned_init("", True, [new, other], rules)
    assert (first.make_first, first.retire, first.keys) == (True, (2,), None)
    for client, bootstrap, known, setting in (
        ("", True, [old], rules),
        ("third", True, [old, other], rules),
        ("", False, [], rules),
        ("", True, [], replace(rules, enrolled_only=True)),
    ):
        with pytest.raises(KmsRefusal):
            pairs.unsigned_init(client, bootstrap, known, setting)
    with pytest.raises(McsecError):
        pairs.of_number([old], 7)


def test_trust() -> None:
    own = trust.own(PUBLIC, ["a.example"], "a.example")
    theirs = replace(trust.own(kms("kms.b.example").public, ["b.example"], "b.example"), role=Role.EXTERNAL)
    document = xml.serialise(encode_certificate(replace(theirs, role=Role.ROOT)))
    assert trust.read_partner(document) == theirs
    trust.check(theirs, own, [], NOW)
    past = datetime.fromtimestamp(NOW - 1, UTC)
    for wrong in (
        replace(theirs, domains=("A.example",)),
        replace(theirs, domains=()),
        replace(theirs, kms_uri=own.kms_uri),
        replace(theirs, valid_to=past),
        replace(theirs, valid_from=datetime.fromtimestamp(NOW + 1, UTC)),
    ):
        with pytest.raises(trust.TrustError):
            trust.check(wrong, own, [], NOW)
    other = replace(theirs, kms_uri="kms.c.example")
    with pytest.raises(trust.TrustError, match=r"b\.example is a domain of"):
        trust.check(other, own, [trust.Partner(theirs, 1)], NOW)
    trust.check(other, own, [trust.Partner(replace(theirs, revoked=True), 1)], NOW)
    bent = replace(theirs, pub_enc_key=b"\x04" + bytes(256))
    with pytest.raises(trust.TrustError):
        trust.read_partner(xml.serialise(encode_certificate(bent)))


def test_the_certificate_cache() -> None:
    own = trust.own(PUBLIC, ["a.example"], "a.example")
    theirs = replace(own, kms_uri="kms.b.example", domains=("b.example",), role=Role.EXTERNAL)
    book = trust.Book(own, own_changed=5)
    assert (book.number, book.since(None), book.since(4), book.since(5)) == (5, (own,), (own,), ())
    book, partner = book.with_partner(theirs, 9)
    assert trust.from_row(trust.to_row(partner)) == partner
    assert (book.number, book.since(5), book.since(9)) == (9, (theirs,), ())
    assert book.since(10) == (own, theirs), "a number that was never given"
    assert book.find("kms.b.example") == book.find("B.example") == theirs
    assert book.find("c.example") is None
    changed = book.with_revoked_users([b"u" * 32], 12)
    assert changed.since(9)[0].revoked_users == (b"u" * 32,)
    assert changed.with_revoked_users([b"u" * 32], 20) is changed


def test_the_log() -> None:
    entries = [Entry(Act.ISSUED, "a", f"sip:u{n}@a", n, "t") for n in range(5)]
    log, head = records.append(records.start("a.example"), "a.example", entries, 1.5)
    assert records.verify(log, "a.example", known=head) == head
    assert [records.decode(records.encode(record)) for record in log] == log
    assert records.head_after(records.encode(log[-1]), "a.example") == head
    for broken in (
        log[1:],
        log[:2] + log[3:],
        [log[1], log[0], *log[2:]],
        [replace(log[0], identity="sip:x@a"), *log[1:]],
    ):
        with pytest.raises(ChainBroken):
            records.verify(broken, "a.example")
    with pytest.raises(ChainBroken):
        records.verify(log[:-1], "a.example", known=head)
    with pytest.raises(ChainBroken):
        records.verify(log, "b.example")


@given(st.text(max_size=100))
def test_any_line_is_a_record_or_refused(line: str) -> None:
    with pytest.raises(McsecError):
        records.decode(line)


def test_words_help_no_guesser() -> None:
    for status in WORDS:
        assert status_of(KmsRefusal(status, "the reason", code="x")) == status
