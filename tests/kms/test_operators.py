"""Operators of a KMS: revocation, log, backup drill, health; and no key octets anywhere they look."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.errors import LocalError
from mcsec.keys.chain import ChainBroken
from mcsec.kms import records
from mcsec.kms.create import note_restored
from mcsec.kms.kms import Kms
from mcsec.kms.observe import Observer
from mcsec.net.config import ConfigError
from mcsec.store.backup import restore
from mcsec.store.database import StoreError
from mcsec.store.kek import Kek, WrapError, create_kek_file
from mcsec.wire.kms.protect import ProtectionKeys
from support.kms import ALICE, BOB, SERVER, KmsDomain, make, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def domain(tmp_path: Path) -> AsyncIterator[KmsDomain]:
    config = await make(tmp_path / "a", operations='"127.0.0.1:0"')
    async with serve(config) as running:
        yield running


async def test_status_users_log(domain: KmsDomain) -> None:
    async with domain.client() as client:
        await client.provision(ALICE, time.time())
    async with domain.client(SERVER) as client:
        await client.provision(SERVER, time.time())
    async with domain.admin() as admin:
        await admin.post("/v1/revoke", json={"identity": BOB, "reason": "left"})
        status = (await admin.get("/v1/status")).json()
        assert (status["issued"], status["revoked"], status["protection"]) == (2, 1, True)
        users = (await admin.get("/v1/users")).json()
        assert [(user["user"], bool(user["revoked"])) for user in users] == [
            (SERVER, False), (ALICE, False), (BOB, True),
        ]  # fmt: skip
        rest = (await admin.get("/v1/users", params={"after": ALICE})).json()
        assert [user["user"] for user in rest] == [BOB]
        log = (await admin.get("/v1/log", params={"identity": ALICE})).json()
        assert [record["act"] for record in log] == ["protection-offered", "protection-confirmed", "issued"]
        assert log[-1]["token"]
        assert log[-1]["reason"] == "present period"
        head = (await admin.post("/v1/log/verify")).json()
        assert head == status["log"]


async def test_health_readiness_metrics(domain: KmsDomain) -> None:
    async with domain.admin() as admin, httpx2.AsyncClient(trust_env=False) as http:
        for get in (
            admin.get,
            lambda path: http.get(f"http://{domain.running.operations}{path}"),
        ):
            assert (await get("/health")).json() == {"status": "alive"}
            assert (await get("/ready")).json() == {"status": "ready"}
            assert "mcsec_kms_ready 1.0" in (await get("/metrics")).text
        assert (await http.get(f"http://{domain.running.operations}/v1/status")).status_code == 404


async def test_the_socket_is_the_owners_alone(domain: KmsDomain) -> None:
    file = domain.running.admin.file
    assert file is not None
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_changed_log_is_noticed(domain: KmsDomain) -> None:
    async with domain.client() as client:
        await client.provision(ALICE)
    path = domain.config.path("kms.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE kms_log SET line = replace(line, 'issued', 'reissued') WHERE sequence = 3")
    async with domain.admin() as admin:
        answer = await admin.post("/v1/log/verify")
    assert answer.status_code == 409
    assert answer.json()["code"] == "provenance.altered"


async def test_a_changed_end_of_the_log_stops_the_start(tmp_path: Path) -> None:
    config = await make(tmp_path / "a")
    with closing(sqlite3.connect(config.path("kms.db"))) as connection, connection:
        connection.execute("UPDATE kms_log SET line = replace(line, 'operator', 'somebody')")
    with pytest.raises(ChainBroken):
        await Kms.open(config, Observer(), time.time())


async def test_one_process_on_a_database(domain: KmsDomain) -> None:
    with pytest.raises(StoreError, match="another process"):
        await Kms.open(domain.config, Observer(), time.time())


async def test_facts_that_keys_depend_on_cannot_change(tmp_path: Path) -> None:
    from support.kms import change

    await make(tmp_path / "a")
    for name, value in (("uri", '"kms.other"'), ("key_period", "2592001"), ("key_offset", "1")):
        before = (tmp_path / "a" / "mcsec.toml").read_text()
        with pytest.raises(ConfigError, match="cannot change"):
            await Kms.open(change(tmp_path / "a", **{name: value}), Observer(), time.time())
        (tmp_path / "a" / "mcsec.toml").write_text(before)


async def test_backup_drill(domain: KmsDomain, tmp_path: Path) -> None:
    async with domain.client() as client:
        before = {keys.period_no: keys.signer.sign(b"")[64:] for keys in await client.provision(ALICE)}
    recovery, sealed = tmp_path / "recovery", tmp_path / "kms.backup"
    create_kek_file(recovery)
    async with domain.admin() as admin:
        answer = await admin.post("/v1/backup", json={"target": str(sealed), "key": f"file:{recovery}"})
        assert answer.status_code == 200
        again = await admin.post("/v1/backup", json={"target": str(sealed), "key": f"file:{recovery}"})
        assert again.status_code == 409, "a backup never overwrites"
    # Another machine: another KEK, the same configuration, no database.
    lost = await make(tmp_path / "b")
    lost.path("kms.db").unlink()
    for name in ("issuer.key", "issuer.jwks.json"):
        lost.path(name).write_bytes(domain.config.path(name).read_bytes())
    key = Kek.load(f"file:{recovery}")
    octets = sealed.read_bytes()
    for broken in (octets[:-1], octets[:200], octets[:-30] + b"x" + octets[-29:], b"x" + octets, b""):
        (tmp_path / "broken").write_bytes(broken)
        with pytest.raises(WrapError):
            await restore(tmp_path / "broken", lost.path("kms.db"), lost.kek(), key)
    with pytest.raises(WrapError):
        await restore(sealed, lost.path("kms.db"), lost.kek(), lost.kek())
    await restore(sealed, lost.path("kms.db"), lost.kek(), key)
    with pytest.raises(StoreError, match="exists"):
        await restore(sealed, lost.path("kms.db"), lost.kek(), key)
    await note_restored(lost, time.time())
    kms = await Kms.open(lost, Observer(), time.time())
    try:
        log = [records.decode(line) for line in await kms.ledger.read(lambda tables: tables.log(-1, 1000))]
        uids = [kms.public.uid_in(ALICE, period) for period in before]
        issued = await kms.ledger.read(lambda tables: tables.issued(uids))
        records.verify(log, "a.example")
        assert [record.act.value for record in log[-2:]] == ["backed-up", "restored"]
        assert {row.period_no: row.pvt for row in issued.values()} == before
    finally:
        await kms.close()


async def test_no_key_octets_in_logs_metrics_errors_answers_or_backup(
    domain: KmsDomain, tmp_path: Path
) -> None:
    kept: list[ProtectionKeys] = []

    async def keep(keys: ProtectionKeys) -> None:
        kept.append(keys)

    async with domain.client(keep=keep) as client:
        await client.provision()
        with pytest.raises(Exception, match="refused") as caught:
            await client.provision(BOB)
    recovery, sealed = tmp_path / "recovery", tmp_path / "kms.backup"
    create_kek_file(recovery)
    seen = [str(caught.value), repr(caught.value), repr(client.__dict__), repr(kept)]
    async with domain.admin() as admin:
        await admin.post("/v1/backup", json={"target": str(sealed), "key": f"file:{recovery}"})
        for path in ("/v1/status", "/v1/users", "/v1/log", "/v1/trust", "/metrics"):
            seen.append((await admin.get(path)).text)
    seen += [domain.log.getvalue(), domain.refusals()]
    master = await domain.kms.ledger.read(lambda tables: tables.master())
    assert master is not None
    public = domain.kms.public
    uids = [public.uid_in(ALICE, public.period_at(time.time()))]
    issued = await domain.kms.ledger.read(lambda tables: tables.issued(uids))
    (row,) = issued.values()
    rsk = domain.kms.ledger._master.encryption.extract(row.uid)
    secrets = [
        *master.secrets, row.ssk, rsk.tail(256), kept[0].transport, kept[0].integrity,
        Secret(bytes.fromhex(recovery.read_text())), Secret(bytes.fromhex(domain.config.path("kek").read_text())),
    ]  # fmt: skip
    seen.append(repr(secrets))
    files = [sealed, *(path for path in domain.config.directory.glob("kms.db*"))]
    import base64

    for secret in secrets:
        octets = secret.reveal()
        for text in seen:
            assert octets.hex() not in text
            assert base64.b64encode(octets).decode()[:-4] not in text
            assert repr(octets) not in text
        for file in files:
            content = file.read_bytes()
            assert octets not in content
            assert octets.hex().encode() not in content
    assert base64.b64encode(b"probe").decode() not in "".join(seen)
    assert ALICE not in sealed.read_bytes().decode("latin-1"), "names are sealed too"


async def test_a_full_disk_is_said_and_nothing_is_issued(
    domain: KmsDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mcsec.store.kms import KmsTables

    async with domain.client(attempts=1) as client:
        await client.init()
        await client.certificates()
        length = domain.kms.ledger.head.length

        def full(*_: object) -> None:
            raise StoreError("database or disk is full", code="store.database")

        monkeypatch.setattr(KmsTables, "add_log", full)
        with pytest.raises(Exception, match="503"):
            await client.provision(ALICE)
        monkeypatch.undo()
        assert domain.kms.ledger.head.length == length
        await client.provision(ALICE, time.time())
        assert domain.kms.ledger.head.length == length + 1
    assert json.loads(domain.log.getvalue().splitlines()[-1])["error"] == "StoreError"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.text(max_size=40)
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        name: json_values
        | st.sampled_from([ALICE, "", "\x00", "x" * 2000, "/etc/passwd", "file:/etc/passwd"])
        for name in ("identity", "reason", "user", "client_id", "document", "target", "key", "more")
    },
)


async def test_any_request_to_the_admin_api_is_answered(domain: KmsDomain) -> None:
    """Property test: no path and no body makes an internal error, and the log still holds."""
    async with domain.admin() as admin:
        schema = (await admin.get("/openapi.json")).json()
        calls = [(path, method) for path, methods in schema["paths"].items() for method in methods]
        assert len(calls) > 10
        seen: list[tuple[str, str, object]] = []

        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        @given(st.sampled_from(calls), bodies | json_values, st.dictionaries(
            st.sampled_from(["after", "limit", "identity"]), st.text(max_size=20) | st.integers().map(str)
        ))  # fmt: skip
        def collect(call: tuple[str, str], body: object, query: dict[str, str]) -> None:
            seen.append((call[0], call[1], (body, query)))

        collect()
        for path, method, given_ in seen:
            body, query = given_  # type: ignore[misc]
            content = json.dumps(body).encode()
            answer = await admin.request(
                method, path, content=content if method == "post" else None, params=query,
                headers={"content-type": "application/json"},
            )  # fmt: skip
            assert answer.status_code < 500, (path, body, query, answer.text)
            answer.json()
        assert (await admin.post("/v1/log/verify")).status_code == 200


async def test_what_cannot_be_written_back_is_refused_all_the_same(domain: KmsDomain) -> None:
    async with domain.admin() as admin:
        for body in (b'{"target": Infinity}', b'{"target": "/x", "key": NaN}', b"{"):
            answer = await admin.post(
                "/v1/backup", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 422
            assert answer.json()["code"] == "kms.request"


async def test_what_cannot_be_done_is_said(domain: KmsDomain) -> None:
    async with domain.admin() as admin:
        for path, body in (
            ("/v1/reinstate", {"identity": ALICE}),
            ("/v1/distrust", {"identity": "kms.b.example"}),
            ("/v1/trust", {"document": "<a/>"}),
            ("/v1/trust", {"document": (await admin.get("/v1/certificate")).json()["document"]}),
        ):
            answer = await admin.post(path, json=body)
            assert answer.status_code == 409, path
            assert answer.json()["message"]
        for _ in range(2):
            answer = await admin.post("/v1/revoke", json={"identity": ALICE})
        assert answer.status_code == 409
    assert issubclass(ConfigError, LocalError)
