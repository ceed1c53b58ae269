"""SIPp as MC client of our server and as MCX server of our client: register, publish, message, listening report.

Over TCP, over UDP, and over UDP with 5 % of all datagrams lost each way, between two network namespaces that the test
makes. Where the kernel has no netem, a relay in the namespace loses them (``support/netns.py``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.client.events import ListeningReported, MessageRefused, ProcedureFailed
from mcsec.client.host import ClientHost, HostSettings
from mcsec.client.radio import RadioSide
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event, KeyHeld
from mcsec.keys.key import Scope
from mcsec.net.multicast import MulticastGroup, MulticastSender
from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.settings import EndpointSettings
from mcsec.server.answers import RetryPolicy
from mcsec.server.delivering import DeliverySettings
from mcsec.server.events import AffiliationChanged, ClientAuthorised
from mcsec.server.events import ListeningReported as Told
from mcsec.server.subscribers import Subscribers, lines
from mcsec.wire import mc_bodies, multipart
from mcsec.wire.mbms_usage import Listening, MbmsUsage
from mcsec.wire.multipart import Part
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from support.mc_clients import engine, profile
from support.mc_server import ALICE, BEARER, GROUP, running
from support.netns import FAR, NEAR, Pair, inside, namespaces, relay
from support.phones import Phone
from support.scripted_mcx import AREA, GENERAL, TMGI, announcing, fresh_key, key_message, protected
from support.sipp import SCENARIOS, sipp_client, sipp_server
from support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.peer("sipp"), pytest.mark.peer("ip")]

WAYS = pytest.mark.parametrize("way", ["TCP", "UDP", "UDP with loss"])
USERS = tuple(f"sip:many{number}@a.example" for number in range(8))
#: No TCP between the namespaces; large requests are datagrams too.
DATAGRAMS = EndpointSettings(
    trust=Trust(addresses=(ip_network("10.77.0.0/24"), ip_network("127.0.0.0/8")), datagrams=True),
    datagram_limit=60_000,
)
LOSS = 0.05


@dataclass
class Place:
    """Where SIPp and the other side find each other."""

    transport: str
    pair: Pair | None

    @property
    def namespace(self) -> str | None:
        return None if self.pair is None else self.pair.far

    @contextlib.contextmanager
    def ours(self) -> Iterator[None]:
        """Sockets that are made in the block are on the other side of the loss."""
        with inside(self.pair.near) if self.pair is not None else contextlib.nullcontext():
            yield


@contextlib.contextmanager
def place(way: str) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(namespaces(LOSS)) if "loss" in way else None
        yield Place(way.split()[0], pair)


def write(directory: Path, name: str, parts: tuple[Part, ...]) -> None:
    _, body = multipart.encode(parts, boundary="part")
    (directory / f"{name}.bin").write_bytes(body)


def script(directory: Path, number: int, user: str) -> None:
    """What one user of SIPp says, each body as its client would write it."""
    phone = Phone(None, None, engine(user), user=user)  # type: ignore[arg-type]  # it only writes
    name = f"u{number}"
    write(directory, f"{name}-register", phone.authorisation(user))
    keys, upload = phone.upload()
    settings = mc_bodies.authorisation(phone.info(access_token=Secret(user.encode())), upload, settings=True)
    write(directory, f"{name}-settings", mc_bodies.protect(settings, keys, "a.example"))
    write(directory, f"{name}-groups", phone.protected(phone.groups(GROUP)))
    listening = Listening(listening=True, tmgis=(TMGI,), general_purpose=True)
    report = mc_bodies.report(phone.info(), MbmsUsage(listening=listening))
    write(directory, f"{name}-report", phone.protected(report))


@WAYS
async def test_sipp_is_the_client(way: str, tmp_path: Path) -> None:
    for number, user in enumerate(USERS):
        script(tmp_path, number, user)
    lines = [f"{user};u{number};" for number, user in enumerate(USERS)]
    (tmp_path / "users.csv").write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    delivery = DeliverySettings(retry=RetryPolicy(0.2, 1.0, 10))
    async with contextlib.AsyncExitStack() as stack:
        where = stack.enter_context(place(way))
        mcx = await stack.enter_async_context(
            running(tmp_path, transports=(), sip=EndpointSettings(datagram_limit=60_000), delivery=delivery)
        )
        await mcx.server.make_musik(Scope.of(GROUP))
        await mcx.server.announce(BEARER)
        with where.ours():
            host = "127.0.0.1" if where.pair is None else NEAR
            _, port = await mcx.server.listen(where.transport, host)
        if where.pair is not None:
            port = await stack.enter_async_context(relay(where.pair, "127.0.0.1", FAR, (NEAR, port)))
        # How long SIPp stays for what is told out of its calls: a datagram may be lost four times in a row.
        stay = ("-d", "3000" if where.pair is None else "9000")
        out_of_call = ("-oocsf", str(SCENARIOS / "message_uas.xml"), *stay)
        await sipp_client(
            "mcx_uac", where.transport, port, tmp_path, *("-inf", str(tmp_path / "users.csv")), *out_of_call,
            calls=len(USERS), rate=20, namespace=where.namespace,
        )  # fmt: skip
        server = mcx.server
        assert server.requests.refused == {}
        # However often a datagram came, each request counted once.
        assert len(mcx.of(ClientAuthorised)) == 2 * len(USERS)
        assert len(mcx.of(AffiliationChanged)) == len(USERS)
        assert {event.user for event in mcx.of(Told)} == set(USERS)  # type: ignore[attr-defined]
        assert len(mcx.of(Told)) == len(USERS)
        kinds = {PurposeTag.MUSIK, PurposeTag.MSCCK}
        held = [(event.member, event.key_id) for event in mcx.of(KeyHeld)]  # type: ignore[attr-defined]
        assert len(held) == len(set(held))
        for user in USERS:
            assert {key_id.tag for member, key_id in held if member == user} == kinds
        if where.pair is not None and not where.pair.loss.by_kernel:
            assert where.pair.loss.dropped


@WAYS
async def test_sipp_is_the_server(way: str, tmp_path: Path) -> None:
    musik, mscck = (
        fresh_key(PurposeTag.MUSIK, Scope.of(GROUP)),
        fresh_key(PurposeTag.MSCCK, Scope.of(str(TMGI))),
    )
    write(tmp_path, "download", mc_bodies.key_download(ALICE, key_message(musik, ALICE)))
    session, usage = announcing(TMGI, (AREA,), key_message(mscck, ALICE))
    write(tmp_path, "announcement", mc_bodies.announcement(ALICE, session, usage))
    events: list[Event] = []
    async with contextlib.AsyncExitStack() as stack:
        where = stack.enter_context(place(way))
        # REGISTER with two MESSAGEs and the farewell in its call, PUBLISH for the group, the report.
        port = await stack.enter_async_context(
            sipp_server("mcx_uas", where.transport, tmp_path, calls=3, namespace=where.namespace)
        )
        host = "127.0.0.1"
        if where.pair is not None:
            target = ("127.0.0.1", port)
            host, port = FAR, await stack.enter_async_context(relay(where.pair, FAR, "127.0.0.1", target))
        local = ("127.0.0.1" if where.pair is None else NEAR, 0)
        settings = HostSettings(Hop(where.transport, host, port), DATAGRAMS, local)
        clients = ClientHost(settings)
        with where.ours():
            await stack.enter_async_context(clients)
        # SIPp protects no XML: it has no CSK.
        alice = clients.add(
            profile(ALICE, require_protected_xml=False),
            engine(ALICE),
            lambda: Secret(b"token"),
            radio=RadioSide(AREA),
            on_event=events.append,
        )
        await alice.log_on([GROUP])
        wanted = {musik.key_id, mscck.key_id}
        await until(lambda: wanted <= {key.key_id for key in alice.engine.keyring.keys})
        with MulticastSender(MulticastGroup(*GENERAL)) as general:
            general.send(protected(UnmapGroupToBearer(ssrc=1, group_id=GROUP), mscck))
            await until(lambda: any(isinstance(event, ListeningReported) for event in events))
        assert alice.refused == {}
        assert alice.taken == 2
        assert not [event for event in events if isinstance(event, MessageRefused | ProcedureFailed)]
        if where.pair is not None and not where.pair.loss.by_kernel:
            assert where.pair.loss.relayed


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_sipp_answers_the_servers_challenge(transport: str, tmp_path: Path) -> None:
    """SIPp computes the digest by its own arithmetic, and registers without a token: known to SIP, not authorised."""
    file = tmp_path / "digest.users"
    made = lines("alice", Secret(b"opensesame"), "mc.example", ["sip:alice@mc.example"])
    # SIPp knows no SHA-256, so it is not offered.
    file.write_text("\n".join(line for line in made if " MD5 " in line))
    file.chmod(0o600)
    users = Subscribers.load(file, "mc.example")
    async with running(tmp_path, transports=(transport,), subscribers=users) as mcx:
        port = mcx.ports[transport]
        await sipp_client("register_uac", transport, port, tmp_path, "-auth_uri", "mc.example")
        assert mcx.server.requests.refused == {}
        assert mcx.server.requests.done == {"REGISTER": 1}
        assert not mcx.of(ClientAuthorised)
