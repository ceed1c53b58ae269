"""One call of a client: set up, floor, media, both paths, left; every packet under its key."""

from __future__ import annotations

from itertools import pairwise

import pytest

from mcsec.client.calls import events
from mcsec.client.calls.engine import CallEngine, SendMedia, Wish
from mcsec.client.calls.states import TABLE, CallState, CallStep, follow
from mcsec.client.copies import Copies
from mcsec.client.events import FloorHeard, MediaHeard
from mcsec.client.floor import ParticipantPolicy, Path, State
from mcsec.errors import Forbidden, Refused, WrongState
from mcsec.ids import PurposeTag
from mcsec.wire.rtcp.floor import FloorGranted, FloorIdle, FloorRelease, FloorRequest, FloorRevoke, FloorTaken
from mcsec.wire.rtcp.floor_values import FloorIndicator, RejectCause, RevokeCause
from mcsec.wire.rtp import RtpPacket
from support.client_calls import (
    FLOOR,
    MEDIA,
    OURS,
    TALKER,
    THEIRS,
    FarEnd,
    heard,
    in_call,
    key,
    keyed,
    of,
    terms,
)
from support.domains import NOW
from support.engines import GROUP, hand_out, initiator, mdsi, user

GRANTED = FloorGranted(ssrc=THEIRS, duration=30, priority=5)
TAKEN = FloorTaken(ssrc=THEIRS, permission=True, sequence_number=7, granted_party=TALKER, audio_ssrc=99)
FRAME = bytes(range(160))


# --- the table


def test_every_state_is_reached_and_every_call_ends() -> None:
    reached = {CallState.IDLE}
    for _ in TABLE:
        reached |= {after for state in reached for after in TABLE[state].values()}
    assert reached == set(CallState)
    assert not TABLE[CallState.OVER]
    assert all(CallState.OVER in _after(state) for state in CallState)


def _after(state: CallState) -> set[CallState]:
    found = {state}
    for _ in TABLE:
        found |= {after for one in found for after in TABLE[one].values()}
    return found


def test_a_step_that_is_not_in_the_table() -> None:
    with pytest.raises(WrongState, match="is over"):
        follow(CallState.OVER, CallStep.LEAVE)


# --- set up and left


def test_calls_and_is_taken_in() -> None:
    one, _, _ = keyed()
    call = CallEngine(one, Wish(group=GROUP), OURS, Copies())
    call.calling()
    assert call.floor_packet(b"x", FLOOR, NOW), "not in the call yet"
    assert call.accepted(terms(), "sip:s@b.example", NOW) == [
        events.CallStarted(NOW, GROUP, session_id="sip:s@b.example")
    ]
    assert call.floor.state is State.NO_PERMISSION


@pytest.mark.parametrize(("granted", "state"), [(False, State.PENDING_REQUEST), (True, State.HAS_PERMISSION)])
def test_asks_for_the_floor_with_the_call(granted: bool, state: State) -> None:
    scene = in_call(talk=True, answer=terms(granted=granted))
    assert scene.call.floor.state is state


def test_a_grant_that_nobody_asked_for_is_none() -> None:
    assert in_call(answer=terms(granted=True)).call.floor.state is State.NO_PERMISSION


def test_an_implicit_request_that_meets_no_answer_is_repeated_as_it_was() -> None:
    scene = in_call(talk=True, emergency=True, priority=9)
    (request,) = scene.sent(scene.call.poll(NOW + 1))
    assert request == FloorRequest(ssrc=OURS, priority=9, indicator=FloorIndicator.EMERGENCY)


def test_refused() -> None:
    one, _, _ = keyed()
    call = CallEngine(one, Wish(group=GROUP), OURS, Copies())
    call.calling()
    assert call.refused(403, "no", NOW) == [events.CallRefused(NOW, GROUP, 403, "no")]
    assert call.state is CallState.OVER


def test_left_before_the_answer() -> None:
    one, _, _ = keyed()
    call = CallEngine(one, Wish(group=GROUP), OURS, Copies())
    call.calling()
    assert call.leave(NOW) == []
    assert call.accepted(terms(), "", NOW) == [], "the answer crossed our CANCEL"
    assert call.over("left", NOW) == [events.CallEnded(NOW, GROUP, "left")]


def test_is_called() -> None:
    one, csk, _ = keyed()
    call = CallEngine(one, Wish(group=GROUP), OURS, Copies())
    started = events.CallStarted(NOW, GROUP, TALKER, "sip:s")
    assert call.invited(terms(), TALKER, "sip:s", NOW) == [started]
    # The floor may be busy before our answer was acknowledged.
    outputs = call.floor_packet(FarEnd(csk).say(TAKEN), FLOOR, NOW)
    assert of(outputs, events.FloorTaken)
    call.confirmed()
    assert call.state is CallState.IN_CALL


def test_nothing_is_sent_or_heard_after_leaving() -> None:
    scene = in_call()
    scene.call.press(NOW)
    scene.hear(GRANTED)
    scene.call.leave(NOW)
    with pytest.raises(Forbidden):
        scene.call.speak(FRAME, NOW)
    assert scene.call.press(NOW) == scene.call.let_go(NOW) == []
    assert scene.call.next_timer() is None
    assert scene.dropped(scene.hear(TAKEN)) == "call.wrong-source"
    assert scene.call.over("left", NOW) == [events.CallEnded(NOW, GROUP, "left")]
    assert scene.call.over("again", NOW) == []
    with pytest.raises(WrongState):
        scene.call.leave(NOW)


def test_released_by_the_server_while_talking() -> None:
    scene = in_call()
    scene.call.press(NOW)
    scene.hear(GRANTED)
    assert of(scene.call.over("they hung up", NOW), events.CallEnded)
    with pytest.raises(Forbidden):
        scene.call.speak(FRAME, NOW)


def test_a_server_that_takes_our_ssrc_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        in_call(answer=terms(ssrc=OURS))
    assert caught.value.code == "call.ssrc"


def test_a_new_description_counts_from_now_on() -> None:
    scene = in_call()
    scene.call.changed(terms(ssrc=77))
    assert scene.dropped(scene.hear(TAKEN)) == "call.wrong-ssrc"
    far = FarEnd(scene.csk, 77)
    assert of(scene.call.floor_packet(far.say(FloorIdle(ssrc=77, sequence_number=1)), FLOOR, NOW), FloorHeard)


# --- talking


def test_talks_with_the_floor_only() -> None:
    scene = in_call()
    with pytest.raises(Forbidden, match="not ours"):
        scene.call.speak(FRAME, NOW)
    assert scene.sent(scene.call.press(NOW)) == [FloorRequest(ssrc=OURS)]
    with pytest.raises(Forbidden):
        scene.call.speak(FRAME, NOW)
    (granted,) = of(scene.hear(GRANTED), events.FloorGranted)
    assert (granted.group, granted.duration) == (GROUP, 30)
    spoken = scene.call.speak(FRAME, NOW)
    assert isinstance(spoken, SendMedia)
    assert spoken.to == MEDIA
    outputs = scene.call.let_go(NOW)
    assert scene.sent(outputs) == [FloorRelease(ssrc=OURS)]
    assert of(outputs, events.FloorEnded)
    with pytest.raises(Forbidden):
        scene.call.speak(FRAME, NOW)


def test_revoked() -> None:
    scene = in_call()
    scene.call.press(NOW)
    scene.hear(GRANTED)
    revoke = FloorRevoke(ssrc=THEIRS, cause=RejectCause(RevokeCause.MEDIA_BURST_TOO_LONG))
    outputs = scene.hear(revoke)
    assert [event.cause for event in of(outputs, events.FloorEnded)] == [RevokeCause.MEDIA_BURST_TOO_LONG]
    assert isinstance(scene.sent(outputs)[0], FloorRelease)
    with pytest.raises(Forbidden):
        scene.call.speak(FRAME, NOW)


def test_no_request_without_a_key_to_talk_under() -> None:
    scene = in_call(gmk=False)
    with pytest.raises(Forbidden) as caught:
        scene.call.press(NOW)
    assert caught.value.code == "call.no-key"
    assert scene.call.floor.state is State.NO_PERMISSION


def test_bursts_are_one_stream_with_a_mark_at_each_start() -> None:
    scene = in_call()
    listener = in_call().client
    listener.keyring.install(scene.gmk, signer="gms", now=NOW)
    packets = []
    for burst, start in enumerate((NOW, NOW + 10)):
        scene.call.press(start)
        scene.hear(GRANTED, start)
        packets += [scene.call.speak(FRAME, start + n / 50).packet.octets for n in range(3)]
        scene.call.let_go(start + 1)
        scene.hear(FloorIdle(ssrc=THEIRS, sequence_number=burst), start + 1)
    heard = [listener.media_packet(packet, GROUP, NOW)[-1] for packet in packets]
    headers = [RtpPacket.decode(event.rtp).header for event in heard if isinstance(event, MediaHeard)]
    assert [header.marker for header in headers] == [True, False, False] * 2
    assert {header.ssrc for header in headers} == {OURS}
    assert [b.sequence - a.sequence for a, b in pairwise(headers)] == [1] * 5
    assert [header.timestamp for header in headers] == [0, 160, 320, 80_000, 80_160, 80_320]


def test_a_new_gmk_is_talked_under_at_once_and_no_index_comes_twice() -> None:
    scene = in_call()
    scene.call.press(NOW)
    scene.hear(GRANTED)
    first = scene.call.speak(FRAME, NOW).packet.octets
    newer = key(PurposeTag.GMK, GROUP)
    scene.client.keyring.install(newer, signer="gms", now=NOW)
    second = scene.call.speak(FRAME, NOW).packet.octets
    assert first[-8:-4] == scene.gmk.key_id.encode()
    assert second[-8:-4] == newer.key_id.encode()
    assert int.from_bytes(second[2:4]) == int.from_bytes(first[2:4]) + 1


def test_a_new_csk_is_used_at_once_and_indexes_count_on() -> None:
    scene = in_call()
    (first,) = [output.packet.octets for output in scene.call.press(NOW)]
    csk, _ = scene.client.make_csk(NOW)
    (second,) = [output.packet.octets for output in scene.call.poll(NOW + 1)]
    assert second.endswith(csk.key_id.encode())

    def index(packet: bytes) -> int:
        # The MKI of 4 octets is the end, the index with its flag the 4 before it.
        return int.from_bytes(packet[-8:-4]) & 0x7FFFFFFF

    assert (index(first), index(second)) == (1, 2)


def test_without_a_csk_nothing_leaves_and_the_user_is_told() -> None:
    scene = in_call()
    scene.client.revoke(PurposeTag.CSK, scene.client.uri, "gone", NOW)
    (failed,) = scene.call.press(NOW)
    assert isinstance(failed, events.UplinkFailed)
    assert failed.code == "call.no-key"


# --- listening


def test_hears_the_talker_in_order() -> None:
    scene = in_call()
    talker = scene.talker()
    packets = [talker.packet(bytes((n,)) * 160, 160 * n, marker=n == 0)[1].octets for n in range(4)]
    played: list[bytes] = []
    for number in (0, 2, 1, 3):
        played += heard(scene.call.media_packet(packets[number], MEDIA, NOW))
    assert [payload[0] for payload in played] == [0, 1, 2, 3]


def test_a_gap_is_given_up_in_time() -> None:
    scene = in_call()
    talker = scene.talker()
    packets = [talker.packet(bytes((n,)) * 160, 160 * n)[1].octets for n in range(3)]
    scene.call.media_packet(packets[0], MEDIA, NOW)
    assert heard(scene.call.media_packet(packets[2], MEDIA, NOW)) == []
    due = scene.call.next_timer()
    assert due is not None
    assert len(heard(scene.call.poll(due))) == 1


def test_what_waits_is_heard_when_the_call_ends() -> None:
    scene = in_call()
    talker = scene.talker()
    packets = [talker.packet(bytes((n,)) * 160, 160 * n)[1].octets for n in range(3)]
    scene.call.media_packet(packets[0], MEDIA, NOW)
    scene.call.media_packet(packets[2], MEDIA, NOW)
    assert len(heard(scene.call.over("they hung up", NOW))) == 1


def test_our_own_voice_on_the_bearer_is_not_heard() -> None:
    scene = in_call()
    scene.call.press(NOW)
    scene.hear(GRANTED)
    octets = scene.call.speak(FRAME, NOW).packet.octets
    (event,) = of(scene.client.media_packet(octets, GROUP, NOW), MediaHeard)
    assert heard(scene.call.from_bearer(event, NOW)) == []


def test_the_floor_on_the_bearer_counts_as_by_unicast_once() -> None:
    scene = in_call()
    musik = key(PurposeTag.MUSIK, GROUP)
    hand_out(musik, scene.client, initiator(mdsi("a.example")))
    on_bearer = FloorHeard(NOW, GROUP, musik.key_id, TAKEN)
    (event,) = scene.call.from_bearer(on_bearer, NOW)
    assert event == events.FloorTaken(NOW, GROUP, TALKER, 99, False)
    # The copy around a switch to unicast says nothing new.
    assert of(scene.hear(TAKEN), events.FloorTaken) == []
    later = FloorIdle(ssrc=THEIRS, sequence_number=8)
    assert of(scene.hear(later), events.FloorIdle)
    assert scene.call.from_bearer(FloorHeard(NOW, GROUP, musik.key_id, later), NOW) == []


def test_a_talker_is_named_once_however_often_the_server_says_so() -> None:
    scene = in_call()
    told = []
    for number, talker in enumerate((TALKER, TALKER, user("eva"), TALKER)):
        message = FloorTaken(ssrc=THEIRS, permission=True, sequence_number=number, granted_party=talker)
        told += of(scene.hear(message), events.FloorTaken)
    assert [event.talker for event in told] == [TALKER, user("eva"), TALKER]
    scene.hear(FloorIdle(ssrc=THEIRS, sequence_number=5))
    message = FloorTaken(ssrc=THEIRS, permission=True, sequence_number=6, granted_party=TALKER)
    assert of(scene.hear(message), events.FloorTaken), "another burst"


@pytest.mark.parametrize("first", [Path.UNICAST, Path.MBMS])
def test_a_copy_of_media_by_the_other_path_is_no_replay(first: Path) -> None:
    scene = in_call()
    octets = scene.talker().packet(FRAME, 0)[1].octets
    if first is Path.MBMS:
        scene.client.media_packet(octets, GROUP, NOW)
        scene.copies.took(octets, Path.MBMS)
        assert scene.call.media_packet(octets, MEDIA, NOW) == []
    else:
        assert heard(scene.call.media_packet(octets, MEDIA, NOW)) == [FRAME]
        assert scene.copies.known(octets, Path.MBMS)
    assert scene.copies.counted == 1
    assert not scene.client.dropped


def test_copies_that_are_remembered_are_bounded() -> None:
    copies = Copies()
    for number in range(2000):
        copies.took(number.to_bytes(2), Path.MBMS)
    assert not copies.known((0).to_bytes(2), Path.UNICAST)
    assert copies.known((1999).to_bytes(2), Path.UNICAST)


def test_an_unanswered_request_ends_in_words() -> None:
    scene = in_call(policy=ParticipantPolicy(c101=1))
    scene.call.press(NOW)
    due = scene.call.next_timer()
    assert due is not None
    assert of(scene.call.poll(due), events.RequestUnanswered)


def test_every_word_of_the_participant_has_a_name_in_the_call() -> None:
    from mcsec.client.floor import events as floor
    from mcsec.keys.events import Event

    told = [
        kind
        for kind in vars(floor).values()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    ]
    assert len(told) == 11
    for kind in told:
        values = [1] * (len(kind.__dataclass_fields__) - 1)
        named = events.of_call(GROUP, kind(NOW, *values))
        assert (named.now, named.group) == (NOW, GROUP)
    with pytest.raises(TypeError):
        events.of_call(GROUP, Event(NOW))
    assert user("x")
