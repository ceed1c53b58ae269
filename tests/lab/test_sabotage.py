"""Each claim of the demo can fail: whatever is broken on purpose, exactly its claim says so, and exit status 1."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.client.engine import ClientEngine, Party
from mcsec.client.events import GroupMapped
from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import CheckFailed
from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyMade
from mcsec.keys.provenance import Chain
from mcsec.lab import demo
from mcsec.lab.adversary import Adversary
from mcsec.lab.air import Air
from mcsec.lab.seeded import WARNING
from mcsec.lab.stage import Stage
from mcsec.mikey import open as opening
from mcsec.mikey.replay import ReplayCache
from mcsec.server.engine import ServerEngine
from support.demo import CLAIMS, PaperBearer, PaperKms, claims_of, failed, make_quick, play

Patch = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def _quick(monkeypatch: Patch) -> None:
    make_quick(monkeypatch)


def wrap(patch: Patch, owner: object, name: str, around: Callable[..., object]) -> None:
    """``around`` gets the genuine thing, then the arguments."""
    genuine = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **options: around(genuine, *args, **options))


def after_the_keys(patch: Patch, then: Callable[[Stage], None]) -> None:
    """Something happens behind the story's back once everybody has its keys."""

    async def around(genuine: Callable[[Stage], Awaitable[None]], stage: Stage) -> None:
        await genuine(stage)
        then(stage)

    wrap(patch, demo, "give_signalling_keys", around)


# --- one sabotage for each way in which a claim can be false


def a_listener_misses_the_map(patch: Patch) -> None:
    def around(genuine: Callable[..., list[object]], client: ClientEngine, *args: object) -> list[object]:
        happened = genuine(client, *args)
        late = client.uri.startswith("sip:listener2")
        return [event for event in happened if not (late and isinstance(event, GroupMapped))]

    wrap(patch, ClientEngine, "_obey", around)


def the_map_is_lost_on_the_way(patch: Patch) -> None:
    wrap(
        patch,
        Air,
        "broadcast",
        lambda genuine, air, packet, traffic: (
            None if traffic.name == "SUBCHANNEL_CONTROL" else genuine(air, packet, traffic)
        ),
    )


def the_server_touches_media(patch: Patch) -> None:
    def around(genuine: Callable[..., ForwardedMedia], *args: object) -> ForwardedMedia:
        octets = bytearray(genuine(*args).octets)
        octets[30] ^= 1
        return ForwardedMedia(bytes(octets))

    wrap(patch, ServerEngine, "forward", around)


def the_server_was_given_the_gmk(patch: Patch) -> None:
    held = ServerEngine.kinds_held.fget
    assert held is not None
    patch.setattr(ServerEngine, "kinds_held", property(lambda server: held(server) | {PurposeTag.GMK}))


def the_outsider_got_the_musik(patch: Patch) -> None:
    def leak(stage: Stage) -> None:
        key = stage.server.keydown.musiks[stage.group].sending
        assert key is not None
        stage.outsider.keyring.install(key, signer="a friend", now=key.created)

    after_the_keys(patch, leak)


def the_adversary_has_the_other_kms_too(patch: Patch) -> None:
    def around(
        genuine: Callable[..., object], adversary: Adversary, _packets: object, *args: object
    ) -> object:
        thief = Adversary(PaperKms("a.example").made.master, PaperKms("a.example").public, [])
        thief.learn(adversary._keys)
        return genuine(thief, _packets, *args)

    wrap(patch, Adversary, "attack", around)


def the_adversary_stole_the_musik(patch: Patch) -> None:
    def steal(stage: Stage) -> None:
        key = stage.server.keydown.musiks[stage.group].sending
        assert key is not None
        stage.adversary.learn([key])

    after_the_keys(patch, steal)


def clients_believe_any_signature(patch: Patch) -> None:
    patch.setattr(opening, "_check_signature", lambda *_: None)


def clients_refuse_for_another_reason(patch: Patch) -> None:
    def refuse(*_: object) -> None:
        raise CheckFailed("who knows why")

    def around(genuine: Callable[..., object], *args: object) -> object:
        try:
            return genuine(*args)
        except CheckFailed:
            return refuse()

    wrap(patch, opening, "_check_signature", around)


def clients_remember_nothing(patch: Patch) -> None:
    patch.setattr(ReplayCache, "admit", lambda *_: None)


def clients_believe_the_other_kms(patch: Patch) -> None:
    def around(genuine: Callable[..., list[Party]], client: ClientEngine, carrier: object) -> list[Party]:
        parties = genuine(client, carrier)
        return [*parties, *(replace(party, kms_uri="kms.b.example") for party in parties)]

    wrap(patch, ClientEngine, "_parties", around)


def nobody_can_be_served_by_unicast(patch: Patch) -> None:
    def around(genuine: Callable[..., None], server: ServerEngine, *args: object) -> None:
        server.csks.held.clear()
        genuine(server, *args)

    wrap(patch, ServerEngine, "release_13_mode", around)


def the_adversary_learns_nothing_of_the_gms(patch: Patch) -> None:
    patch.setattr(Adversary, "learn", lambda *_: None)


def a_record_is_lost(patch: Patch) -> None:
    wrap(
        patch,
        demo,
        "control_statement",
        lambda genuine, stage: (stage.server.records.pop(5), genuine(stage))[1],
    )


def a_record_is_altered(patch: Patch) -> None:
    async def around(genuine: Callable[[Stage], Awaitable[None]], stage: Stage) -> None:
        stage.server.records[0] = replace(stage.server.records[0], subject="somebody else")
        await genuine(stage)

    wrap(patch, demo, "control_statement", around)


def nobody_wrote_down_who_made_the_musik(patch: Patch) -> None:
    def around(
        genuine: Callable[..., object], chain: Chain, event: object, *args: object, **options: object
    ) -> object:
        made = isinstance(event, KeyMade) and event.key_id.tag is PurposeTag.MUSIK
        return None if made else genuine(chain, event, *args, **options)

    wrap(patch, Chain, "note", around)


def a_packet_is_broadcast_twice(patch: Patch) -> None:
    def around(genuine: Callable[..., None], bearer: PaperBearer, packet: object, to: object) -> None:
        genuine(bearer, packet, to)
        if not bearer.bmsc.counters["again"]:
            bearer.bmsc.counters["again"] += 1
            genuine(bearer, packet, to)

    wrap(patch, PaperBearer, "send", around)


def a_packet_goes_round_the_bmsc(patch: Patch) -> None:
    def around(genuine: Callable[..., None], bearer: PaperBearer, *args: object) -> None:
        genuine(bearer, *args)
        bearer.bmsc.counters["passed"] = 1

    wrap(patch, PaperBearer, "send", around)


SABOTAGE = {
    a_listener_misses_the_map: "broadcast-decoded",
    the_map_is_lost_on_the_way: "broadcast-decoded",
    the_server_touches_media: "media-untouched",
    the_server_was_given_the_gmk: "media-untouched",
    the_outsider_got_the_musik: "outsider-locked-out",
    the_adversary_has_the_other_kms_too: "adversary-locked-out",
    the_adversary_stole_the_musik: "adversary-locked-out",
    clients_believe_any_signature: "tampered-refused",
    clients_refuse_for_another_reason: "tampered-refused",
    clients_remember_nothing: "replayed-refused",
    clients_believe_the_other_kms: "wrong-domain-refused",
    nobody_can_be_served_by_unicast: "release13-without-mkfc-refuses",
    the_adversary_learns_nothing_of_the_gms: "release13-foreign-mkfc-leaks",
    a_record_is_lost: "own-key-only",
    a_record_is_altered: "own-key-only",
    nobody_wrote_down_who_made_the_musik: "own-key-only",
    a_packet_is_broadcast_twice: "bearer-over-mb2",
    a_packet_goes_round_the_bmsc: "bearer-over-mb2",
}


def test_without_sabotage_every_claim_holds(tmp_path: Path) -> None:
    report = play(tmp_path)
    assert failed(report) == set()
    assert {claim.name for claim in report.claims} == CLAIMS


def test_every_claim_has_its_sabotage() -> None:
    assert set(SABOTAGE.values()) == CLAIMS


@pytest.mark.parametrize("sabotage", SABOTAGE, ids=lambda sabotage: sabotage.__name__)
def test_exactly_the_right_claim_fails(
    sabotage: Callable[[Patch], None], monkeypatch: Patch, tmp_path: Path
) -> None:
    sabotage(monkeypatch)
    report = play(tmp_path)
    assert failed(report) == {SABOTAGE[sabotage]}
    assert not report.passed


def test_exit_status_and_verdict_when_a_claim_fails(monkeypatch: Patch, tmp_path: Path) -> None:
    the_server_touches_media(monkeypatch)
    done = CliRunner().invoke(app, ["demo", "--quick", "--json", "-o", str(tmp_path)])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["result"] == "fail"
    assert claims_of(done.stdout) == dict.fromkeys(CLAIMS, "pass") | {"media-untouched": "fail"}


def test_the_text_for_people(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["demo", "--quick", "-o", str(tmp_path), "--seed", "a test"])
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    verdicts = {tuple(line.split(":")[0].split()) for line in lines if line.startswith(("PASS  ", "FAIL  "))}
    assert verdicts == {("PASS", name) for name in CLAIMS}
    assert lines[-1].startswith(f"PASS: {len(CLAIMS)} of {len(CLAIMS)} claims hold")
    assert any("came from a seed" in line for line in lines)
    assert WARNING in done.stderr


def test_the_text_for_people_says_fail(monkeypatch: Patch, tmp_path: Path) -> None:
    the_server_touches_media(monkeypatch)
    done = CliRunner().invoke(app, ["demo", "--quick", "-o", str(tmp_path)])
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert sum(line.startswith("FAIL  media-untouched") for line in lines) == 1
    assert lines[-1].startswith(f"FAIL: {len(CLAIMS) - 1} of {len(CLAIMS)} claims hold")


def test_no_claims_are_no_success() -> None:
    assert not demo.DemoReport().passed
