"""Group keys by SIP: sent until acknowledged, taken by clients only from the GMS of the group."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from mcsec.client.announcement import Announcements
from mcsec.client.engine import ClientEngine, Party
from mcsec.client.inbox import Arrival, Inbox
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.client.refusals import answer_to
from mcsec.errors import PeerError
from mcsec.gms import push
from mcsec.keys.kinds import Traffic
from mcsec.net.sip.compose import make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.store.gms import Held
from support.gms import ANN, BOB, CHIEF, DAN, GROUP, OTHER, PARTY, GmsDomain, document, gms_domain
from support.waiting import until

pytestmark = pytest.mark.anyio
TEMPORARY = "sip:temp@b.example"


def inbox(engine: ClientEngine) -> Inbox:
    domain = engine.server.domain
    profile = Profile(
        mc_service_id=engine.uri,
        impu=engine.uri,
        client_id="urn:uuid:1",
        registrar=f"sip:{domain}",
        psi=f"sip:mcptt@{domain}",
        server=engine.server,
    )
    return Inbox(profile, engine, Announcements(engine, RadioSide()))


class Core:
    """A SIP core: gives every MESSAGE to the client that it is for."""

    def __init__(self) -> None:
        self.clients: dict[str, ClientEngine] = {}
        self.answered: list[tuple[str, int]] = []
        self.requests: list[Request] = []
        self.asserted: str | None = None

    def answer(self, request: Request, _: Peer) -> Response:
        self.requests.append(request)
        client = self.clients.get(request.uri)
        status = 404
        if client is not None:
            arrival = Arrival.of(request)
            if self.asserted is not None:
                arrival = Arrival(arrival.service, (self.asserted,), arrival.content_type, arrival.body)
            try:
                inbox(client).message(arrival, time.time())
                status = 200
            except PeerError as error:
                status = answer_to(error).status
        self.answered.append((request.uri, status))
        return make_response(request, status)


@asynccontextmanager
async def pushing(path: Path) -> AsyncIterator[tuple[GmsDomain, Core]]:
    core = Core()
    trust = Trust(addresses=(IPv4Network("127.0.0.0/8"),))
    async with Endpoint(core.answer, EndpointSettings(trust=trust)) as endpoint:
        host, port = await endpoint.listen("TCP", "127.0.0.1", 0)
        extra = f'\n[gms.push.routes]\n"b.example" = "tcp:{host}:{port}"\n"a.example" = "tcp:{host}:{port}"\n'
        async with gms_domain(path, extra=extra) as domain:
            yield domain, core


async def held(domain: GmsDomain, members: dict[str, Held], group: str = GROUP) -> None:
    """Waits until so much is written down of who has the key in force."""

    def there() -> bool:
        found = domain.gms.keeper.groups[group]
        live = found.keys[-1].key.key_id
        return dict(found.holders.get(live, {})) == members

    await until(there)


async def test_sent_until_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "_FIRST", 0.05)
    async with pushing(tmp_path) as (domain, core):
        ann, dan = await domain.engine(ANN), await domain.engine(DAN)
        core.clients = {ANN: ann}
        await domain.put(document(ANN, BOB, DAN))
        await held(domain, {ANN: Held.ACKNOWLEDGED})
        core.clients = {ANN: ann, DAN: dan}
        await held(domain, {ANN: Held.ACKNOWLEDGED, DAN: Held.ACKNOWLEDGED})
        key = ann.keyring.current(Traffic.GROUP_MEDIA, GROUP, time.time())
        assert key.same_octets(dan.keyring.current(Traffic.GROUP_MEDIA, GROUP, time.time()))
        assert [uri for uri, status in core.answered if status == 200].count(ANN) == 1, "once is enough"

        await domain.put(document(ANN, BOB))
        await held(domain, {ANN: Held.ACKNOWLEDGED})
        await until(lambda: not dan.keyring.keys)
        fresh = ann.keyring.current(Traffic.GROUP_MEDIA, GROUP, time.time())
        assert not fresh.same_octets(key)
        # Who was removed is told that its key is revoked, the others too; and what each answered is written down.
        await until(lambda: ann.keyring.keys == (fresh,))

        async def written() -> bool:
            acts = [record.act for record in await domain.gms.keeper.log()]
            return (acts.count("key-acknowledged"), acts.count("key-ended")) == (3, 2)

        await until(written)


async def test_a_temporary_group_by_sip(tmp_path: Path) -> None:
    async with pushing(tmp_path) as (domain, core):
        ann = await domain.engine(ANN)
        core.clients = {ANN: ann}
        await domain.put(document(ANN))
        await domain.put(document(ANN, CHIEF, group=OTHER))
        async with domain.admin() as admin:
            body = {"group": TEMPORARY, "constituents": [GROUP, OTHER], "seconds": 60}
            assert (await admin.post("/v1/regroup", json=body)).status_code == 200
        await held(domain, {ANN: Held.ACKNOWLEDGED}, TEMPORARY)
        assert ann.groups[TEMPORARY] == PARTY
        assert ann.keyring.current(Traffic.GROUP_MEDIA, TEMPORARY, time.time()).expiry is not None


async def test_whom_a_client_does_not_believe(tmp_path: Path) -> None:
    another = Party("gms.other", PARTY.kms_uri, PARTY.domain)
    async with pushing(tmp_path) as (domain, core):
        for number, (user, asserted, home, status) in enumerate(
            ((ANN, "sip:gms@a.example", PARTY, 403), (BOB, "sip:gms@b.example", another, 488))
        ):
            group = f"sip:g{number}@b.example"
            client = await domain.engine(user)
            client.groups = {group: home}
            core.clients, core.asserted = {user: client}, asserted
            await domain.put(document(user, group=group))
            await held(domain, {user: Held.REFUSED}, group)
            assert core.answered[number] == (user, status)
            assert client.keyring.keys == ()
        request = core.requests[0]
        broken = Arrival(
            request.headers.get("P-Asserted-Service"),
            ("sip:gms@b.example",),
            request.headers.get("Content-Type") or "",
            request.body.replace(b"GMK-GKTPs>", b"GMK-GKTP>", 1),
        )
        with pytest.raises(PeerError):
            inbox(client).message(broken, time.time())


async def test_who_fetches_meanwhile_is_waited_for_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "_FIRST", 0.05)
    async with pushing(tmp_path) as (domain, core):
        await domain.put(document(ANN))
        await until(lambda: len(core.answered) >= 2)
        async with domain.client(ANN) as client:
            assert await client.keys(GROUP) is not None
        # What was on its way meanwhile is answered; then comes no more.
        await asyncio.sleep(0.5)
        before = len(core.answered)
        await asyncio.sleep(0.5)
        assert len(core.answered) == before
        assert set(core.answered) == {(ANN, 404)}
