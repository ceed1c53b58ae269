"""Opening: what comes out, the order of the checks, and nothing else that gets through."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.errors import InvalidValue, McsecError, PeerError
from mcsec.ids import PurposeTag
from mcsec.mikey.build import Form, Recipient, build
from mcsec.mikey.extensions import OtherExtension
from mcsec.mikey.header import SrtpCs
from mcsec.mikey.numbers import MapType
from mcsec.mikey.open import KeyRevoked, Opened, identify, open_message
from mcsec.mikey.parameters import KeyParameters
from mcsec.mikey.profiles import Profile
from mcsec.mikey.receiver import DEFAULT_RULES, Receiver, Rules, Sender
from mcsec.mikey.replay import ReplayCache
from support.domains import (
    KMS_URI,
    NOW,
    PERIOD,
    SERVER,
    USER,
    distribution,
    initiator,
    kms,
    receiver,
    recipient,
    resign,
    sender,
)
from support.downloads import download, flipped, remade, revoked, with_sed

OTHER_KMS = "kms.other.example"
MALLORY = "sip:mallory@example.org"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_codes_do_not_depend_on_the_form() -> None:
    form = Form(cs_ids=(7,), with_policy=True, to_self=True, hide_initiator=True, hide_responder=True)
    octets = download(KeyParameters(PurposeTag.MUSIK, status=0), form=form)
    with pytest.raises(KeyRevoked):
        open_message(octets, receiver(), [sender()], NOW)


def test_a_revocation_says_which_key_and_whose_word_it_is() -> None:
    with pytest.raises(KeyRevoked) as caught:
        open_message(revoked(), receiver(), [sender()], NOW)
    assert caught.value.opened.key_id == distribution().key_id
    assert caught.value.opened.initiator == SERVER
    assert distribution().key.reveal().hex() not in caught.value.describe() + repr(caught.value.opened)


def test_the_window_is_the_receivers() -> None:
    rules = Rules(past=10, ahead=5)
    for now in (NOW - 5, NOW, NOW + 10):
        open_message(download(), receiver(USER, rules), [sender()], now)
    for now in (NOW - 6, NOW + 11):
        with pytest.raises(PeerError):
            open_message(download(), receiver(USER, rules), [sender()], now)


def test_the_messages_time_picks_the_key_period_and_not_the_receivers() -> None:
    first = kms().public.period_at(NOW)
    border = first * PERIOD + PERIOD - 2_208_988_800
    octets = download(time=border - 1)
    both = receiver(USER, DEFAULT_RULES, border - 1, border)
    assert open_message(octets, both, [sender()], border + 60).distribution == distribution()
    with pytest.raises(PeerError) as caught:
        open_message(octets, receiver(USER, DEFAULT_RULES, border), [sender()], border + 60)
    assert caught.value.code == "mikey.key-period"


def test_a_receiver_may_have_several_identities() -> None:
    identities = [kms().identity("sip:mdsi.example.org"), kms().identity("sip:psi@example.org")]
    both = Receiver(identities, [kms().public], ReplayCache())
    for uri in ("sip:psi@example.org", "sip:mdsi.example.org"):
        assert open_message(download(to=uri), both, [sender()], NOW).responder == uri


def test_what_is_opened_says_everything() -> None:
    parameters = KeyParameters(PurposeTag.MUSIK, text="all groups")
    opened = open_message(download(parameters), receiver(), [sender()], NOW + 1)
    assert opened.kind is PurposeTag.MUSIK
    assert opened.key == distribution().key
    assert opened.key_id == opened.csb_id == distribution().key_id
    assert opened.rand == distribution().rand
    assert opened.guk_id is None
    assert (opened.initiator_kms, opened.responder_kms) == (KMS_URI, KMS_URI)
    assert opened.initiator_uid == kms().public.uid_of(SERVER, NOW)
    assert opened.timestamp == NOW
    assert opened.parameters == parameters


def test_payloads_of_others_are_read_and_ignored() -> None:
    octets = remade(
        download(),
        header=lambda old: replace(old, map_type=MapType.SRTP_ID, sessions=(SrtpCs(0, 1, 2),)),
        extra=[OtherExtension(99, b"vendor")],
    )
    assert open_message(octets, receiver(), [sender()], NOW).distribution == distribution()


# --- replays


def test_the_same_message_opens_once() -> None:
    octets, once = download(), receiver()
    open_message(octets, once, [sender()], NOW)
    with pytest.raises(PeerError) as caught:
        open_message(octets, once, [sender()], NOW + 5)
    assert caught.value.code == "mikey.replayed"


def test_an_altered_signature_that_is_valid_does_not_make_another_message() -> None:
    octets, once = download(), receiver()
    s = int.from_bytes(octets[-97:-65])
    twin = octets[:-97] + (P256_ORDER - s).to_bytes(32) + octets[-65:]
    assert twin != octets
    open_message(twin, receiver(), [sender()], NOW)
    open_message(octets, once, [sender()], NOW)
    with pytest.raises(PeerError) as caught:
        open_message(twin, once, [sender()], NOW)
    assert caught.value.code == "mikey.replayed"


def test_a_forged_message_leaves_no_trace_in_the_replay_cache() -> None:
    octets, once = download(), receiver()
    with pytest.raises(PeerError):
        open_message(flipped(octets, -100), once, [sender()], NOW)
    assert len(once.replay) == 0
    open_message(octets, once, [sender()], NOW)
    assert len(once.replay) == 1


def test_the_replay_cache_outlives_the_receivers_keys() -> None:
    octets, first = download(), receiver()
    open_message(octets, first, [sender()], NOW)
    with pytest.raises(PeerError):
        open_message(octets, replace(first, rules=Rules()), [sender()], NOW)


# --- the order of the checks


def test_nothing_is_decapsulated_before_the_signature_is_good() -> None:
    class Spy:
        uri, kms_uri, uid = USER, KMS_URI, kms().public.uid_of(USER, NOW)

        @property
        def decryption(self) -> object:
            raise AssertionError("the private key was used")

    spied = replace(receiver(), identities=[Spy()])
    broken = remade(download(), with_sed(lambda sed: bytes(273)))
    for octets, senders, code in (
        (flipped(broken, -100), [sender()], "mikey.signature"),
        (broken, [sender(SERVER, PurposeTag.CSK)], "mikey.purpose"),
    ):
        with pytest.raises(PeerError) as caught:
            open_message(octets, spied, senders, NOW)
        assert caught.value.code == code


# --- identity hiding


def hidden() -> bytes:
    return download(form=Form(hide_initiator=True, hide_responder=True))


def test_a_hidden_sender_that_is_expected_is_known_at_once() -> None:
    senders = [sender(MALLORY), sender(SERVER, PurposeTag.MUSIK)]
    assert open_message(hidden(), receiver(), senders, NOW).initiator == SERVER


def test_a_hidden_sender_is_anonymous_until_it_is_identified() -> None:
    opened = open_message(hidden(), receiver(), [sender(None)], NOW)
    assert opened.initiator is None
    assert identify(opened, SERVER, kms().public).initiator == SERVER
    for uri, public in ((MALLORY, kms().public), (SERVER, kms(OTHER_KMS).public)):
        with pytest.raises(PeerError) as caught:
            identify(opened, uri, public)
        assert caught.value.code == "mikey.wrong-sender"


def test_what_anonymous_senders_may_send_does_not_extend_to_named_ones() -> None:
    senders = [sender(None, PurposeTag.CSK), sender(SERVER, PurposeTag.MUSIK)]
    open_message(hidden(), receiver(), senders, NOW)
    with pytest.raises(PeerError) as caught:
        open_message(hidden(), receiver(), [sender(None, PurposeTag.CSK)], NOW)
    assert caught.value.code == "mikey.purpose"


# --- other domains


def test_another_kms_cannot_speak_for_our_server() -> None:
    """A partner's KMS can make keys for any name; they count only where the name is expected under it."""
    partner = kms(OTHER_KMS)
    forged = build(
        distribution(),
        replace(initiator(), keys=partner.identity(SERVER), kms=partner.public),
        recipient(),
        NOW,
    )
    knows_both = replace(receiver(), kms=[kms().public, partner.public])
    with pytest.raises(PeerError) as caught:
        open_message(forged, knows_both, [sender()], NOW)
    assert caught.value.code == "mikey.wrong-kms"
    theirs = Sender(SERVER, OTHER_KMS, frozenset(PurposeTag))
    assert open_message(forged, knows_both, [theirs], NOW).initiator_kms == OTHER_KMS


def test_the_responder_may_be_under_another_kms() -> None:
    partner = kms(OTHER_KMS)
    octets = build(distribution(), initiator(), Recipient(USER, partner.public), NOW)
    theirs = Receiver([partner.identity(USER)], [partner.public, kms().public], ReplayCache())
    assert open_message(octets, theirs, [sender()], NOW).responder_kms == OTHER_KMS
    ours = Receiver([kms().identity(USER)], [partner.public, kms().public], ReplayCache())
    with pytest.raises(PeerError) as caught:
        open_message(octets, ours, [sender()], NOW)
    assert caught.value.code == "mikey.wrong-receiver"


def test_a_kms_stands_once() -> None:
    with pytest.raises(InvalidValue):
        Receiver([], [kms().public, kms().public], ReplayCache())


# --- interoperability profiles


def test_a_short_sign_range_opens_under_its_profile_only() -> None:
    octets = resign(download(), initiator().keys, covered=-131)
    tolerant = receiver(USER, Rules(profile=Profile(short_sign_range=True)))
    assert open_message(octets, tolerant, [sender()], NOW).distribution == distribution()
    with pytest.raises(PeerError):
        open_message(octets, receiver(USER, Rules(profile=Profile(trimmed_g=True))), [sender()], NOW)
    with pytest.raises(PeerError):
        open_message(flipped(octets, 40), replace(tolerant, replay=ReplayCache()), [sender()], NOW)


# --- whatever arrives


def outcome(octets: bytes) -> Opened | McsecError:
    try:
        return open_message(octets, receiver(), [sender()], NOW)
    except PeerError as error:
        return error


@pytest.mark.parametrize("bits", [0x01, 0x80, 0xFF])
def test_no_message_with_a_changed_octet_opens(bits: int) -> None:
    octets = download(KeyParameters(PurposeTag.MUSIK), form=Form(cs_ids=(7,), with_policy=True))
    assert isinstance(outcome(octets), Opened)
    for at in range(len(octets)):
        assert isinstance(outcome(flipped(octets, at, bits)), PeerError), at


@settings(max_examples=30)
@given(st.binary(max_size=600))
def test_arbitrary_octets_are_refused(octets: bytes) -> None:
    assert isinstance(outcome(octets), PeerError)


@pytest.mark.parametrize("tag", [tag for tag in PurposeTag if tag is not PurposeTag.MUSIK])
def test_no_kind_passes_for_another(tag: PurposeTag) -> None:
    octets = remade(download(), header=lambda old: replace(old, csb_id=distribution(tag).key_id.encode()))
    with pytest.raises(PeerError) as caught:
        open_message(octets, receiver(), [sender(SERVER, PurposeTag.MUSIK)], NOW)
    assert caught.value.code == "mikey.purpose"
