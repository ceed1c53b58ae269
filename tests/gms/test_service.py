"""A GMS over HTTPS: documents, keys for each member under its own KMS, and everything that follows from a change."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.errors import PeerError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.net.gms import GmsRefused
from mcsec.store.gms import KeyState
from mcsec.wire.gktp import Gktp, GktpDocument
from mcsec.wire.groups import Protection
from support.gms import (
    ANN,
    BOB,
    CHIEF,
    DAN,
    FOREIGN_SERVER,
    GROUP,
    MULTICAST,
    OTHER,
    SERVER,
    GmsDomain,
    document,
    gms_domain,
)

pytestmark = pytest.mark.anyio
TEMPORARY = "sip:temp@b.example"


async def fetch(domain: GmsDomain, user: str, group: str = GROUP) -> GktpDocument:
    async with domain.client(user) as client:
        found = await client.keys(group)
    assert found is not None
    return found[0]


def messages(found: GktpDocument) -> list[Gktp]:
    sets = [one for one in (found.gmk, found.mkfc) if one is not None]
    own = [gktp for one in sets for gktp in one.gktps]
    return own + [gktp for one in sets for regrouped in one.regrouped for gktp in regrouped.gktps]


async def take(domain: GmsDomain, engine: ClientEngine, group: str = GROUP) -> None:
    for gktp in messages(await fetch(domain, engine.uri, group)):
        engine.key_message(gktp.message, Carrier.GROUP_KEYS, time.time())


def held(engine: ClientEngine, group: str = GROUP) -> Key:
    return engine.keyring.current(Traffic.GROUP_MEDIA, group, time.time())


async def refused(domain: GmsDomain, user: str, group: str = GROUP) -> int:
    with pytest.raises(GmsRefused) as caught:
        await fetch(domain, user, group)
    return caught.value.status


async def test_the_life_of_a_group(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        first = await domain.put(document(ANN, BOB, DAN), new=True)
        async with domain.client(DAN) as client:
            found = await client.group(GROUP)
            assert found is not None
            assert found[1] == first
            assert {member.uri for member in found[0].members} == {ANN, BOB, DAN}
            assert await client.group(GROUP, first) is None
        ann, dan = await domain.engine(ANN), await domain.engine(DAN)
        await take(domain, ann)
        await take(domain, dan)
        assert held(ann).same_octets(held(dan)), "one key, over two domains"
        assert held(ann).maker.entity == "gms.b.example"
        (own,) = messages(await fetch(domain, ANN))
        with pytest.raises(PeerError) as caught:
            dan.key_message(own.message, Carrier.GROUP_KEYS, time.time())
        assert caught.value.code == "mikey.wrong-receiver", "nobody gets what is for somebody else"
        assert await refused(domain, CHIEF) == 403, "an administrator is no member"
        assert await refused(domain, SERVER) == 403, "no server gets a key without the operator's switch"

        before = held(ann)
        await domain.put(document(ANN, BOB), instead_of=first)
        assert await refused(domain, DAN) == 403
        await take(domain, ann)
        assert not held(ann).same_octets(before)
        assert before not in ann.keyring.keys, "what the removed member holds is used by nobody any more"
        rows = domain.gms.keeper.groups[GROUP].keys
        assert [row.state for row in rows] == [KeyState.REVOKED, KeyState.LIVE]

        await domain.put(document(ANN, BOB, disabled=True))
        assert await refused(domain, ANN) == 403
        async with domain.client(CHIEF) as client:
            await client.delete(GROUP)
        assert await refused(domain, ANN) == 403
        assert not domain.gms.engine.keys
        await domain.gms.keeper.verify_log()
        lying = b"".join(file.read_bytes() for file in domain.config.directory.glob("gms.db*"))
        assert b"sip:ann@b.example" in lying
        for key in (before, held(ann)):
            assert key.secret.reveal() not in lying, "wrapped at rest"
            assert key.secret.reveal().hex() not in domain.log.getvalue()


async def test_entity_tags_of_keys(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN, BOB))
        async with domain.client(ANN) as client:
            found = await client.keys(GROUP)
            assert found is not None
            assert await client.keys(GROUP, found[1]) is None, "the same keys"
            again = await client.keys(GROUP)
            assert again is not None
            assert again[1] == found[1]
            assert again[0] != found[0], "written anew, so that it is no replay"
            await domain.put(document(ANN))
            changed = await client.keys(GROUP, found[1])
            assert changed is not None
        async with domain.client(BOB) as client:
            with pytest.raises(GmsRefused):
                await client.keys(GROUP, found[1])


async def test_release_13_is_the_operators_switch(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN, DAN, protection=MULTICAST))
        assert (await fetch(domain, ANN)).mkfc is None, "that the document asks for it is not enough"
        assert await refused(domain, FOREIGN_SERVER) == 403
        async with domain.admin() as admin:
            answer = await admin.post("/v1/release-13", json={"group": GROUP, "on": True})
        assert answer.json()["kinds"] == ["GMK", "MKFC"]
        ann = await domain.engine(ANN)
        await take(domain, ann)
        assert {key.key_id.tag for key in ann.keyring.keys} == {PurposeTag.GMK, PurposeTag.MKFC}
        for_server = await fetch(domain, FOREIGN_SERVER)
        assert for_server.gmk is None, "a server never gets what protects media"
        assert for_server.mkfc is not None
        assert len(for_server.mkfc.gktps) == 1
        async with domain.admin() as admin:
            await admin.post("/v1/release-13", json={"group": GROUP, "on": False})
        assert await refused(domain, FOREIGN_SERVER) == 403
        await take(domain, ann)
        assert {key.key_id.tag for key in ann.keyring.keys} == {PurposeTag.GMK}, "taken back"


KINDS = {
    "absent means protected": (document(ANN), {PurposeTag.GMK}),
    "media in clear": (document(ANN, protection=Protection(media=False)), set[PurposeTag]()),
    "no MCPTT group": (document(ANN, services=frozenset({"urn:other"})), set[PurposeTag]()),
    "disabled": (document(ANN, disabled=True), set[PurposeTag]()),
}


async def test_which_keys_a_document_makes(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        for number, (wanted, kinds) in enumerate(KINDS.values()):
            group = f"sip:g{number}@b.example"
            await domain.put(replace(wanted, uri=group))
            made = {row.key.key_id.tag for row in domain.gms.keeper.groups[group].keys}
            assert made == kinds, list(KINDS)[number]


async def test_a_temporary_group(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN))
        await domain.put(document(BOB, DAN, group=OTHER))
        async with domain.admin() as admin:
            answer = await admin.post(
                "/v1/regroup", json={"group": TEMPORARY, "constituents": [GROUP, OTHER], "seconds": 600}
            )
        assert answer.status_code == 200
        ann, dan = await domain.engine(ANN, GROUP, TEMPORARY), await domain.engine(DAN, OTHER, TEMPORARY)
        await take(domain, ann)
        await take(domain, dan, OTHER)
        assert held(ann, TEMPORARY).same_octets(held(dan, TEMPORARY))
        assert held(ann, TEMPORARY).expiry is not None
        async with domain.client(ANN) as client:
            found = await client.group(GROUP)
        assert found is not None
        assert [one.temporary_group_id for one in found[0].regrouped] == [TEMPORARY]

        before = held(ann, TEMPORARY)
        with pytest.raises(GmsRefused) as caught:
            await domain.put(document(BOB, group=OTHER))
        assert caught.value.status == 409, "regrouping is told by the GMS alone"
        async with domain.client(CHIEF) as client:
            present = await client.group(OTHER)
            assert present is not None
            await client.put(
                document(BOB, group=OTHER, regrouped=present[0].regrouped), instead_of=present[1]
            )
        await take(domain, ann)
        assert not held(ann, TEMPORARY).same_octets(before), "who left a constituent left the temporary group"

        await domain.gms.poll(time.time() + 601)
        assert TEMPORARY not in domain.gms.keeper.groups
        async with domain.client(ANN) as client:
            found = await client.group(GROUP)
        assert found is not None
        assert found[0].regrouped == ()


async def test_renewed_before_it_expires(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN))
        (old,) = domain.gms.engine.keys
        assert old.expiry is not None
        await domain.gms.poll(old.expiry - 90_000)
        assert domain.gms.engine.keys == (old,)
        soon = old.expiry - 80_000
        await domain.gms.poll(soon)
        _, new = domain.gms.engine.keys
        assert new.activation == soon + 300, "handed out before it is used"
        assert [row.state for row in domain.gms.keeper.groups[GROUP].keys] == [KeyState.LIVE] * 2
        await domain.gms.poll(soon + 301)
        await domain.gms.poll(soon + 302)
        assert domain.gms.engine.keys == (new,)


async def test_the_directory_lists_what_may_be_read(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN))
        await domain.put(document(BOB, group=OTHER))
        for user, wanted in ((ANN, {GROUP}), (SERVER, {GROUP, OTHER}), (FOREIGN_SERVER, set()), (DAN, set())):
            async with domain.client(user) as client:
                assert {one.place.name for one in await client.directory(user)} == wanted
        async with domain.client(ANN) as client:
            with pytest.raises(GmsRefused):
                await client.directory(BOB)


async def test_what_is_told_to_operators(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN, BOB))
        await fetch(domain, ANN)
        async with domain.admin() as admin:
            (group,) = (await admin.get("/v1/groups")).json()
            members = (await admin.get("/v1/members", params={"group": GROUP})).json()
            rotated = (await admin.post("/v1/rotate", json={"group": GROUP, "at_once": True})).json()
            log = (await admin.get("/v1/log", params={"group": GROUP})).json()
            assert (await admin.post("/v1/log/verify")).status_code == 200
            assert (await admin.get("/ready")).status_code == 200
            metrics = (await admin.get("/metrics")).text
            assert (await admin.post("/v1/rotate", json={"group": "sip:no@b.example"})).status_code == 409
            assert (await admin.post("/v1/rotate", content=b"{")).status_code == 409
        assert (group["members"], group["protect_media"], group["owner"]) == (2, True, CHIEF)
        assert [(one["member"], list(one["keys"].values())) for one in members] == [
            (ANN, ["given"]),
            (BOB, []),
        ]
        assert [KeyId(int(made, 16)).tag for made in rotated["made"]] == [PurposeTag.GMK]
        assert [one["act"] for one in log] == ["made", "key-made", "key-given", "key-revoked", "key-made"]
        assert 'mcsec_gms_requests_total{method="PUT",status="201"} 1.0' in metrics
        assert "mcsec_gms_groups 1.0" in metrics
