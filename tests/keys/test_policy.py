"""What may be sent under which key: every combination against an independent oracle."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

from mcsec.errors import Forbidden, InvalidValue
from mcsec.ids import PurposeTag
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.kinds import Party, Traffic
from mcsec.keys.policy import (
    Broadcast,
    Decision,
    GivenKey,
    GroupRules,
    Question,
    Reason,
    Refuse,
    Relay,
    SenderKeys,
    Unicast,
    decide,
    explain,
    unreached,
)
from support.keys import GMS_B, SERVER_A, musik, rotation

GROUP, TEMPORARY, ALICE, TMGI = (
    "sip:g1@b.example",
    "sip:temp@a.example",
    "sip:alice@a.example",
    "000001@001/01",
)
NOW = 1000.0
GMK_MKI = bytes.fromhex("01234567 0abcdef0")


def key(tag: PurposeTag, *names: str, maker: Maker = SERVER_A) -> Key:
    return make(tag, scope=Scope.of(*names) if names else DEFAULT, maker=maker, now=0.0)


EXPLICIT, DEFAULT_MUSIK = key(PurposeTag.MUSIK, GROUP), key(PurposeTag.MUSIK)
MKFC, MSCCK = key(PurposeTag.MKFC, GROUP, maker=GMS_B), key(PurposeTag.MSCCK, TMGI)
CSK, SPK = key(PurposeTag.CSK, ALICE), key(PurposeTag.SPK, "mcx.b.example")
GMK = key(PurposeTag.GMK, GROUP, maker=GMS_B)


@dataclass(frozen=True)
class Situation:
    """``explicit`` and ``default``: absent, or whether sent under and held by Alice."""

    explicit: str
    default: str
    mkfc: bool
    release_13: bool
    csk: bool
    protect: bool | None
    listener: str | None

    def source(self, which: str, musik: Key) -> GivenKey:
        return {
            "held": GivenKey(musik, frozenset({ALICE})),
            "not held": GivenKey(musik, frozenset()),
            "unusable": GivenKey(None, frozenset({ALICE})),
            "paused": GivenKey(None, frozenset({ALICE}), paused=True),
        }[which]

    @property
    def keys(self) -> SenderKeys:
        musiks: dict[str | None, GivenKey] = {}
        if self.explicit != "absent":
            musiks[GROUP] = self.source(self.explicit, EXPLICIT)
        if self.default != "absent":
            musiks[None] = self.source(self.default, DEFAULT_MUSIK)
        return SenderKeys(
            domain=SERVER_A.domain,
            musiks=musiks,
            mkfcs={GROUP: GivenKey(MKFC)} if self.mkfc else {},
            csks={ALICE: CSK} if self.csk else {},
            release_13={GROUP} if self.release_13 else set(),
        )

    @property
    def question(self) -> Question:
        rules = GroupRules(protect_floor_control=self.protect)
        return Question(Traffic.MBMS_FLOOR, GROUP, self.listener, rules=rules)


STATES = ("absent", "held", "not held", "unusable", "paused")
SITUATIONS = [
    Situation(*values)
    for values in itertools.product(
        STATES, STATES, (False, True), (False, True), (False, True), (None, True, False), (None, ALICE)
    )
]

# The oracle: rows are tried from the top, the first that fits decides. "*" fits everything. The last two
# columns are what happens on the bearer, and what happens to Alice (csk: unicast if she has a CSK, else
# refused).     explicit    default     mkfc   rel13   bearer          alice
ORACLE = (
    ("held", "*", "*", "*", EXPLICIT, EXPLICIT),
    ("not held", "*", "*", "*", EXPLICIT, "csk"),
    ("unusable", "*", "*", "*", "refuse", "csk"),
    ("paused", "*", "*", "*", "refuse", "refuse"),
    ("absent", "held", "*", "*", DEFAULT_MUSIK, DEFAULT_MUSIK),
    ("absent", "not held", "*", "*", DEFAULT_MUSIK, "csk"),
    ("absent", "unusable", "*", "*", "refuse", "csk"),
    ("absent", "paused", "*", "*", "refuse", "refuse"),
    ("absent", "absent", True, True, MKFC, MKFC),
    ("absent", "absent", "*", "*", "refuse", "csk"),
)


def expected(case: Situation) -> Key | str:
    facts = (case.explicit, case.default, case.mkfc, case.release_13)
    row = next(
        row for row in ORACLE if all(want in ("*", fact) for want, fact in zip(row[:4], facts, strict=True))
    )
    outcome = row[4] if case.listener is None else row[5]
    return outcome if outcome != "csk" or case.csk else "refuse"


def test_every_combination_for_floor_control_on_a_subchannel() -> None:
    assert len(SITUATIONS) == 1200
    for case in SITUATIONS:
        decision = decide(case.question, case.keys, NOW)
        match expected(case):
            case "refuse":
                assert isinstance(decision, Refuse), case
            case "csk":
                assert isinstance(decision, Unicast), case
                assert decision.key is CSK
            case wanted:
                assert isinstance(decision, Broadcast), case
                assert decision.key is wanted


def test_what_is_sent_is_always_under_a_key() -> None:
    for case in SITUATIONS:
        decision = decide(case.question, case.keys, NOW)
        assert isinstance(decision, Refuse) or len(decision.key.secret) == 16, case


def test_the_group_document_cannot_switch_protection_off() -> None:
    for case in SITUATIONS:
        if case.protect is False:
            protected = Situation(**(case.__dict__ | {"protect": True}))
            assert decide(case.question, case.keys, NOW) == decide(protected.question, protected.keys, NOW)


def test_every_explanation_names_code_and_clause_and_no_key_octets() -> None:
    secrets = [made.secret.reveal().hex() for made in (EXPLICIT, DEFAULT_MUSIK, MKFC, CSK)]
    for case in SITUATIONS:
        decision = decide(case.question, case.keys, NOW)
        text = explain(case.question, decision) + repr(decision)
        assert decision.reason.code in text
        assert decision.reason.clause in text
        assert not [secret for secret in secrets if secret in text]
        assert ("asks for no protection" in text) is (case.protect is False)


def ask(question: Question, **mappings: object) -> Decision:
    return decide(question, SenderKeys(SERVER_A.domain, **mappings), NOW)  # type: ignore[arg-type]  # mappings by name


def test_whom_the_broadcast_does_not_reach_is_asked_about_one_by_one() -> None:
    for case in SITUATIONS:
        if case.listener is None:
            asked = unreached(case.question, decide(case.question, case.keys, NOW), case.keys, {ALICE})
            on_bearer = decide(Question(Traffic.MBMS_FLOOR, GROUP, ALICE), case.keys, NOW)
            assert (ALICE not in asked) is isinstance(on_bearer, Broadcast), case


def test_a_rotation_tells_whom_its_broadcast_does_not_reach() -> None:
    line, key = rotation("alice", "bob", "carol"), musik()
    line.offer(key, 0.0)
    line.held("alice", key.key_id, 1.0)
    keys = SenderKeys(SERVER_A.domain, musiks={None: line})
    question = Question(Traffic.MBMS_FLOOR, GROUP)

    def asked() -> set[str]:
        return set(unreached(question, decide(question, keys, NOW), keys, {"alice", "bob"}))

    assert asked() == {"bob"}
    line.revoke(key.key_id, "lost", 2.0)
    assert asked() == {"alice", "bob"}


def test_no_fallback_from_a_musik_to_an_mkfc_whatever_became_of_the_musik() -> None:
    for gone in (GivenKey(None), GivenKey(make(PurposeTag.MUSIK, maker=SERVER_A, now=0.0, lifetime=1.0))):
        decision = ask(
            Question(Traffic.MBMS_FLOOR, GROUP),
            musiks={None: gone},
            mkfcs={GROUP: GivenKey(MKFC)},
            release_13={GROUP},
        )
        assert isinstance(decision, Refuse)
        assert decision.reason is Reason.NOTHING_TO_SEND_UNDER


def test_release_13_mode_of_one_group_says_nothing_about_another() -> None:
    other = "sip:g2@b.example"
    mkfcs = {other: GivenKey(key(PurposeTag.MKFC, other, maker=GMS_B))}
    decision = ask(Question(Traffic.MBMS_FLOOR, other), mkfcs=mkfcs, release_13={GROUP})
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.RELEASE_13_OFF


def test_a_temporary_group_goes_before_its_constituent_and_both_before_the_default() -> None:
    temporary = key(PurposeTag.MUSIK, TEMPORARY)
    question = Question(Traffic.MBMS_FLOOR, TEMPORARY, constituent=GROUP)
    musiks: dict[str | None, GivenKey] = {None: GivenKey(DEFAULT_MUSIK)}
    assert ask(question, musiks=musiks) == Broadcast(DEFAULT_MUSIK, Reason.MUSIK_DEFAULT)
    musiks[GROUP] = GivenKey(EXPLICIT)
    assert ask(question, musiks=musiks) == Broadcast(EXPLICIT, Reason.MUSIK_EXPLICIT)
    musiks[TEMPORARY] = GivenKey(temporary)
    assert ask(question, musiks=musiks) == Broadcast(temporary, Reason.MUSIK_EXPLICIT)


def test_a_musik_or_mscck_of_another_domain_is_never_sent_under() -> None:
    foreign = key(PurposeTag.MUSIK, maker=Maker("b.example", "sip:mcx.b.example"))
    decision = ask(Question(Traffic.MBMS_FLOOR, GROUP), musiks={None: GivenKey(foreign)})
    assert isinstance(decision, Refuse)
    assert decision.reason is Reason.FOREIGN_MAKER


def test_subchannel_control_has_the_key_of_its_bearer_and_no_substitute() -> None:
    source = GivenKey(MSCCK, frozenset({ALICE}))
    question = Question(Traffic.SUBCHANNEL_CONTROL, TMGI)
    assert ask(question, msccks={TMGI: source}) == Broadcast(MSCCK, Reason.MSCCK)
    held = Question(Traffic.SUBCHANNEL_CONTROL, TMGI, ALICE)
    assert ask(held, msccks={TMGI: source}) == Broadcast(MSCCK, Reason.MSCCK)
    for missing in (ask(held, csks={ALICE: CSK}), ask(question, musiks={None: GivenKey(DEFAULT_MUSIK)})):
        assert isinstance(missing, Refuse)


@pytest.mark.parametrize("traffic", [traffic for traffic in Traffic if traffic.multicast])
def test_only_a_server_sends_on_a_bearer(traffic: Traffic) -> None:
    for sender in (Party.CLIENT, Party.GMS):
        decision = ask(Question(traffic, GROUP, sender=sender), musiks={None: GivenKey(DEFAULT_MUSIK)})
        assert isinstance(decision, Refuse)
        assert decision.reason is Reason.UPLINK_MULTICAST


@pytest.mark.parametrize(
    "traffic",
    [Traffic.UNICAST_FLOOR, Traffic.UNICAST_MEDIA_CONTROL, Traffic.PRE_ESTABLISHED, Traffic.SIGNALLING_XML],
)
def test_unicast_with_a_client_has_the_csk_or_nothing(traffic: Traffic) -> None:
    for question in (Question(traffic, ALICE), Question(traffic, GROUP, ALICE)):
        assert ask(question, csks={ALICE: CSK}) == Unicast(CSK, Reason.CSK)
        assert isinstance(ask(question, musiks={None: GivenKey(DEFAULT_MUSIK)}), Refuse)


def test_a_server_link_has_the_spk_or_nothing() -> None:
    question = Question(Traffic.SERVER_LINK, "mcx.b.example")
    assert ask(question, spks={"mcx.b.example": SPK}) == Unicast(SPK, Reason.SPK)
    assert isinstance(ask(question), Refuse)


@pytest.mark.parametrize(
    ("mki", "protect", "outcome"),
    [
        (GMK_MKI, None, Relay(Reason.END_TO_END)),
        (GMK_MKI, False, Relay(Reason.END_TO_END)),
        (None, False, Relay(Reason.MEDIA_CLEAR_ALLOWED)),
        (None, None, Refuse),
        (None, True, Refuse),
        (bytes.fromhex("6abcdef0"), None, Refuse),
        (bytes.fromhex("61234567 0abcdef0"), False, Refuse),
        (b"", None, Refuse),
    ],
)
def test_a_server_relays_media_as_it_is(mki: bytes | None, protect: bool | None, outcome: object) -> None:
    question = Question(Traffic.GROUP_MEDIA, GROUP, rules=GroupRules(protect_media=protect), mki=mki)
    decision = ask(question)
    assert decision == outcome or type(decision) is outcome


def test_a_client_protects_its_media_under_the_gmk_or_sends_none() -> None:
    question = Question(
        Traffic.GROUP_MEDIA, GROUP, sender=Party.CLIENT, rules=GroupRules(protect_media=False)
    )
    assert ask(question, end_to_end={GROUP: GMK}) == Unicast(GMK, Reason.END_TO_END)
    assert isinstance(ask(question), Refuse)


def test_off_the_network_there_is_no_server() -> None:
    decision = ask(Question(Traffic.OFF_NETWORK_GROUP_FLOOR, GROUP, mki=GMK_MKI))
    assert isinstance(decision, Refuse)


@pytest.mark.parametrize(
    ("question", "mappings"),
    [
        (Question(Traffic.MBMS_FLOOR, GROUP), {"musiks": {GROUP: GivenKey(MKFC)}}),
        (Question(Traffic.MBMS_FLOOR, TEMPORARY), {"musiks": {TEMPORARY: GivenKey(EXPLICIT)}}),
        (Question(Traffic.UNICAST_FLOOR, ALICE), {"csks": {ALICE: EXPLICIT}}),
        (Question(Traffic.UNICAST_FLOOR, ALICE), {"csks": {ALICE: key(PurposeTag.CSK, "sip:bob@a.example")}}),
    ],
)
def test_a_key_in_the_wrong_place_is_a_mistake_of_ours(
    question: Question, mappings: dict[str, object]
) -> None:
    with pytest.raises(InvalidValue):
        ask(question, **mappings)


def test_a_refusal_is_an_error_and_an_event_for_those_who_need_one() -> None:
    question = Question(Traffic.MBMS_FLOOR, GROUP)
    decision = ask(question)
    assert isinstance(decision, Refuse)
    error, event = decision.error(), decision.event(question, NOW)
    assert isinstance(error, Forbidden)
    assert (error.code, event.code, event.traffic, event.subject) == (
        *["policy.no-key"] * 2,
        "MBMS_FLOOR",
        GROUP,
    )


def test_every_reason_has_its_own_code_and_is_reachable_by_its_name() -> None:
    codes = [reason.code for reason in Reason]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("policy.") for code in codes)
