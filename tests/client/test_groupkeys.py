"""Group keys from a GMS: each message once, refusals told, failures told once, a look at once when a key is missing."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from mcsec.client.config import Configuration
from mcsec.client.engine import Party
from mcsec.client.events import PacketDropped, ProcedureFailed
from mcsec.client.groupkeys import GmsSource, GroupKeys
from mcsec.ids import PurposeTag
from mcsec.keys.events import DownloadRefused, KeyInstalled
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.net.config import ConfigError
from mcsec.net.gms import GmsRefused, GmsUnreachable
from mcsec.wire.gktp import Gktp, GktpDocument, GktpSet, RegroupedGktps
from support.client_process import TEMPLATE, write
from support.domains import KMS_URI
from support.mc_clients import ALICE, GROUP, Heard, pair
from support.scripted_mcx import DOMAIN, fresh_key, key_message
from support.waiting import until

pytestmark = pytest.mark.anyio

GMS = "gms.a.example"
PARTY = Party(GMS, KMS_URI, DOMAIN)


class FakeGms:
    """Answers by list; knows what it was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[str | None] = []

    async def __aenter__(self) -> FakeGms:
        return self

    async def __aexit__(self, *error: object) -> None:
        return None

    async def keys(self, group: str, known: str | None) -> object:
        assert group == GROUP
        self.asked.append(known)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def gktps(*messages: bytes) -> GktpDocument:
    return GktpDocument(gmk=GktpSet(tuple(Gktp(str(n), message) for n, message in enumerate(messages))))


def fetching(alice: Heard, *answers: object) -> tuple[GroupKeys, FakeGms]:
    alice.client.engine.groups[GROUP] = PARTY
    gms = FakeGms(*answers)
    source = GmsSource(PARTY, (GROUP,), lambda: gms)  # type: ignore[arg-type, return-value]  # as a GmsClient
    return GroupKeys(alice.client, source), gms


async def test_each_message_is_taken_once_and_only_those_of_the_gms() -> None:
    async with pair() as both:
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        key = fresh_key(PurposeTag.GMK, Scope.of(GROUP))
        mine, foreign = key_message(key, ALICE, by=GMS), key_message(key, ALICE, by="gms.b.example")
        more = key_message(fresh_key(PurposeTag.GMK, Scope.of(GROUP)), ALICE, by=GMS)
        keys, gms = fetching(
            alice,
            (gktps(mine, foreign), '"1"'),
            None,
            (
                GktpDocument(
                    gktps(mine).gmk, GktpSet(regrouped=(RegroupedGktps("sip:t", (Gktp("1", more),)),))
                ),
                '"2"',
            ),
        )
        for _ in range(3):
            await keys.fetch(gms, GROUP)  # type: ignore[arg-type]  # as a GmsClient
        assert gms.asked == [None, '"1"', '"1"']
        assert len([e for e in alice.of(KeyInstalled) if e.key_id.tag is PurposeTag.GMK]) == 2  # type: ignore[attr-defined]
        (refused,) = alice.of(DownloadRefused)
        assert (refused.signer, refused.code) == (GMS, "mikey.wrong-sender")  # type: ignore[attr-defined]
        assert alice.client.refused == {"mikey.wrong-sender": 1}


async def test_a_failure_is_told_once() -> None:
    async with pair() as both:
        alice = both.add(ALICE)
        await alice.client.log_on([GROUP])
        keys, gms = fetching(
            alice, GmsUnreachable("nobody"), GmsUnreachable("nobody"), GmsRefused(403), None, GmsRefused(403)
        )
        for _ in range(5):
            await keys.fetch(gms, GROUP)  # type: ignore[arg-type]  # as a GmsClient
        told = [event.procedure for event in alice.of(ProcedureFailed)]  # type: ignore[attr-defined]
        assert told == ["gms.unreachable", "gms.refused-403", "gms.refused-403"]


async def test_media_under_an_unknown_key_is_looked_after_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcsec.client.groupkeys._LEAST", 0.01)
    async with pair() as both:
        alice = both.add(ALICE)
        keys, gms = fetching(alice, None)
        running = asyncio.ensure_future(keys.run())
        await until(lambda: len(gms.asked) >= 1)
        for traffic, code in (("GROUP_MEDIA", "peer.replayed"), ("MBMS_FLOOR", "keyring.unknown")):
            keys.heard(PacketDropped(0.0, traffic, GROUP, code, ""))
        await asyncio.sleep(0.05)
        assert len(gms.asked) == 1
        keys.heard(PacketDropped(0.0, Traffic.GROUP_MEDIA.name, GROUP, "keyring.unknown", ""))
        await until(lambda: len(gms.asked) >= 2)
        # In Release 13 mode floor control is under a key of the GMS too: a member that had one wants the next.
        mkfc = fresh_key(PurposeTag.MKFC, Scope.of(GROUP))
        alice.client.engine.keyring.install(mkfc, signer=GMS, now=time.time())
        keys.heard(PacketDropped(0.0, Traffic.MBMS_FLOOR.name, GROUP, "keyring.unknown", ""))
        await until(lambda: len(gms.asked) >= 3)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


SECTION = """
[[gms]]
address = "https://127.0.0.1:8444"
uri = "gms.b.example"
kms = "kms.b.example"
domain = "b.example"
groups = ["sip:rescue@b.example"]
token = { file = "alice{n}-gms.jwt" }
"""


async def test_the_configuration_says_whose_groups_they_are(tmp_path: Path) -> None:
    config = Configuration.load(write(tmp_path, TEMPLATE + SECTION))
    (source,) = config.group_keys(1)
    assert source.party == Party("gms.b.example", "kms.b.example", "b.example")
    assert source.groups == ("sip:rescue@b.example",)
    twice = Configuration.load(write(tmp_path, TEMPLATE + SECTION + SECTION))
    with pytest.raises(ConfigError, match="at home with one GMS"):
        twice.group_keys(1)
    for wrong in ('groups = ["sip:rescue@b.example"]', "token = {"):
        with pytest.raises(ConfigError, match="gms"):
            Configuration.load(write(tmp_path, TEMPLATE + SECTION.replace(wrong, f"x{wrong}")))
