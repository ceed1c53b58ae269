"""Bad input to a KMS over TLS: the right status, counted, logged, and nothing changed."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey
from lxml import etree

from mcsec.net.kms.exchange import Exchange, certcache_path, init_path, keyprov_path
from mcsec.wire import dsig, xml
from mcsec.wire.kms.encode import encode_request
from mcsec.wire.kms.model import BASE_PATH, NAMESPACE, SCHEMA, KmsRequest
from mcsec.wire.kms.protect import ProtectionKeys, write_request
from support.kms import ALICE, BOB, KmsDomain, make, serve

pytestmark = pytest.mark.anyio


@pytest.fixture
async def domain(tmp_path: Path) -> AsyncIterator[KmsDomain]:
    config = await make(tmp_path / "a", replay_memory="1000")
    async with serve(config) as running:
        yield running


async def keys_of(domain: KmsDomain, user: str = ALICE) -> ProtectionKeys:
    kept: list[ProtectionKeys] = []

    async def keep(keys: ProtectionKeys) -> None:
        kept.append(keys)

    async with domain.client(user, keep=keep) as client:
        await client.init()
        await client.certificates()
    return kept[-1]


def exchange(domain: KmsDomain, user: str = ALICE) -> Exchange:
    return Exchange(domain.config.kms.uri, user)


async def post(
    domain: KmsDomain, path: str, body: bytes, token: str | None = None, **options: Any
) -> httpx2.Response:
    async with domain.http() as http:
        headers = {"authorization": f"Bearer {token if token is not None else domain.token()}"}
        return await http.post(path, content=body, headers=headers, **options)


async def refused(
    domain: KmsDomain, path: str, body: bytes, status: int, code: str, token: str | None = None
) -> httpx2.Response:
    """Sends a request, and checks everything that must be so of a refusal."""
    length, metrics = domain.kms.ledger.head.length, domain.refusals()
    pairs = await domain.kms.ledger.read(lambda tables: tables.pairs(ALICE))
    answer = await post(domain, path, body, token)
    assert (answer.status_code, code) == (status, last_code(domain))
    assert domain.kms.ledger.head.length == length, "nothing changed"
    after = await domain.kms.ledger.read(lambda tables: tables.pairs(ALICE))
    assert [(p.number, p.state) for p in after] == [(p.number, p.state) for p in pairs]
    assert counted(domain.refusals(), code) == counted(metrics, code) + 1
    root = xml.parse(answer.content)
    xml.validate(root, *SCHEMA)
    error = root.find(f".//{{{NAMESPACE}}}KmsError")
    assert error is not None
    assert error[0].text == str(status)
    return answer


def last_code(domain: KmsDomain) -> str:
    lines = [json.loads(line) for line in domain.log.getvalue().splitlines()]
    return str([line for line in lines if line["event"] == "refused"][-1]["code"])


def counted(metrics: str, code: str) -> float:
    line = f'mcsec_kms_refusals_total{{code="{code}"}} '
    return sum(float(text.removeprefix(line)) for text in metrics.splitlines() if text.startswith(line))


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;">]><a>&c;</a>'
WRONG_NAMESPACE = b'<KmsRequest xmlns="TOBEDEFINED"><UserUri>sip:alice@a.example</UserUri></KmsRequest>'


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (BOMB, 400, "xml.doctype"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', 400, "xml.doctype"),
        (b"<!DOCTYPE a><a/>", 400, "xml.doctype"),
        (b"<a>" * 70 + b"</a>" * 70, 400, "xml.depth"),
        (b"<a>" + b" " * (1 << 20) + b"</a>", 413, "xml.too-large"),
        (b"\x00\x01", 400, "xml.malformed"),
        (WRONG_NAMESPACE, 400, "xml.schema"),
        (b"", 403, "kms.unsigned"),
    ],
)
async def test_documents(domain: KmsDomain, body: bytes, status: int, code: str) -> None:
    await refused(domain, init_path(), body, status, code)


async def test_unsigned_requests(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    for path in (init_path(), keyprov_path(), keyprov_path(ALICE), certcache_path(), f"{BASE_PATH}/cert"):
        body = exchange(domain).ask(domain.address + path, None, time.time()).body
        code = "kms.bootstrapped" if path == init_path() else "kms.unsigned"
        await refused(domain, path, body, 403, code)
    assert (await post(domain, init_path(), _signed(domain, keys, init_path()))).status_code == 200


def _signed(domain: KmsDomain, keys: ProtectionKeys, path: str, **changes: Any) -> bytes:
    request = KmsRequest(
        ALICE, domain.config.kms.uri, datetime.now(UTC), changes.pop("url", domain.address + path)
    )
    return write_request(replace(request, **changes), keys)


async def test_wrong_signatures(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    path = keyprov_path(ALICE)
    good = _signed(domain, keys, path)
    forged = good.replace(b"<ClientReqUrl>", b"<ClientReqUrl> ")
    await refused(domain, path, forged, 403, "dsig.signature")
    other = ProtectionKeys.fresh(ALICE, keys.number)
    await refused(domain, path, _signed(domain, other, path), 403, "dsig.signature")
    unknown = ProtectionKeys.fresh(ALICE, 99)
    await refused(domain, path, _signed(domain, unknown, path), 403, "kms.protection-key")
    bobs = await keys_of(domain, BOB)
    await refused(domain, path, _signed(domain, bobs, path), 403, "kms.protection-key")
    sha1 = good.replace(b"xmldsig-more#hmac-sha256", b"xmldsig#hmac-sha1")
    await refused(domain, path, sha1, 403, "dsig.shape")
    assert (await post(domain, path, good)).status_code == 200


async def test_a_signature_over_another_element(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    path = keyprov_path(ALICE)
    for place in ("beside", "below"):
        root = etree.fromstring(_signed(domain, keys, path))
        forged = deepcopy(root[0])
        forged.set("Id", "forged")
        if place == "beside":
            root.append(root[0])
            root.insert(0, forged)
        else:
            wrapper = etree.SubElement(root, "{urn:other}Extra")
            wrapper.append(root[0])
            root.insert(0, forged)
        code = "kms.wrapped" if place == "beside" else "dsig.shape"
        answer = await post(domain, path, etree.tostring(root))
        assert answer.status_code in (400, 403)
        assert last_code(domain) in (code, "xml.schema", "dsig.shape")


async def test_replayed_and_stale_requests(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    path = keyprov_path(ALICE)
    body = _signed(domain, keys, path)
    assert (await post(domain, path, body)).status_code == 200
    await refused(domain, path, body, 409, "kms.replayed")
    for off in (-301, 302):
        late = datetime.fromtimestamp(time.time() + off, UTC)
        await refused(domain, path, _signed(domain, keys, path, time=late), 409, "kms.stale")


async def test_a_request_signed_for_another_path(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    body = _signed(domain, keys, keyprov_path(ALICE))
    await refused(domain, init_path(), body, 403, "kms.other-path")
    body = _signed(domain, keys, init_path(), kms_uri="kms.b.example")
    await refused(domain, init_path(), body, 403, "kms.other-kms")


async def test_memory_of_replays_is_bounded_and_fails_closed(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    freshness = domain.kms.engine.freshness
    for number in range(1000 - len(freshness)):
        freshness.check(number.to_bytes(16), time.time(), time.time())
    await refused(domain, init_path(), _signed(domain, keys, init_path()), 503, "kms.replay-memory")


def _token(domain: KmsDomain, header: dict[str, Any], key: Any, **claims: Any) -> str:
    now = int(time.time())
    values = {
        "iss": domain.issuer.name,
        "aud": domain.config.kms.uri,
        "sub": ALICE,
        "mcptt_id": ALICE,
        "exp": now + 600,
        "scope": domain.config.kms.tokens.scopes[0],
    }
    return jwt.encode(header, values | claims, key, algorithms=[header["alg"]])


def _none_token(domain: KmsDomain) -> str:
    parts = domain.token().split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{parts[1]}."


async def test_tokens(domain: KmsDomain) -> None:
    body = exchange(domain).ask(domain.address + init_path(), None, time.time()).body
    stranger = ECKey.generate_key("P-256")
    public = json.dumps(domain.issuer.jwks()["keys"][0]).encode()
    key_id = domain.issuer.jwks()["keys"][0]["kid"]
    bad = {
        _none_token(domain): "token.algorithm",
        # The public key of the issuer, taken as the shared key of an HMAC.
        _token(domain, {"alg": "HS256", "kid": key_id}, OctKey.import_key(public)): "token.algorithm",
        _token(domain, {"alg": "ES256", "kid": key_id}, stranger): "token.signature",
        _token(domain, {"alg": "ES256"}, stranger): "token.signature",
        domain.token(now=time.time() - 10_000): "token.expired",
        domain.token(now=time.time() + 10_000): "token.early",
        domain.token(audience="kms.b.example"): "token.audience",
        _token(domain, {"alg": "ES256"}, stranger, iss="https://evil.example"): "token.issuer",
        "a.b.c": "token.malformed",
        "x" * 9000: "token.malformed",
    }
    for token, code in bad.items():
        answer = await refused(domain, init_path(), body, 401, code, token)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert b"no valid access token" in answer.content
    async with domain.http() as http:
        assert (await http.post(init_path(), content=body)).status_code == 401
    assert last_code(domain) == "token.missing"


async def test_scopes_and_domains(domain: KmsDomain) -> None:
    body = exchange(domain).ask(domain.address + init_path(), None, time.time()).body
    await refused(domain, init_path(), body, 403, "kms.scope", domain.token(scopes=["openid"]))
    for ids in ([BOB], ["sip:alice@b.example"], ["sip:alice@evila.example"], ["tel:+123"], []):
        token = domain.token(service_ids=ids)
        await refused(domain, init_path(), body, 403, "kms.identity", token)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/", 404, "kms.path"),
        (f"{BASE_PATH}", 404, "kms.path"),
        (f"{BASE_PATH}/", 404, "kms.path"),
        (f"{BASE_PATH}/init/", 404, "kms.path"),
        (f"{BASE_PATH}//init", 404, "kms.path"),
        (f"{BASE_PATH}/keyprov/", 400, "kms.path-uri"),
        (f"{BASE_PATH}/keyprov/%zz", 400, "kms.path-uri"),
        (f"{BASE_PATH}/keyprov/%00", 400, "kms.path-uri"),
        (f"{BASE_PATH}/keyprov/%ff%fe", 400, "kms.path-uri"),
        (f"{BASE_PATH}/keyprov/%2e%2e%2finit", 400, "kms.path-uri"),
        (f"{BASE_PATH}/keyprov/sip%3Aalice%40a.example%0d%0aX%3Ay", 400, "kms.path-uri"),
        (f"{BASE_PATH}/keyprov/sip%3Aalice%40a.example/D6B4", 404, "kms.path"),
        (f"{BASE_PATH}/keyprov/sip%3Aalice%40a.example/G6B4323200000000", 404, "kms.path"),
        (f"{BASE_PATH}/keyprov/a/b/c", 404, "kms.path"),
        (f"{BASE_PATH}/certcache/-1", 404, "kms.path"),
        (f"{BASE_PATH}/certcache/x", 404, "kms.path"),
        (f"{BASE_PATH}/keyprov/{'x' * 1100}", 400, "kms.path-uri"),
    ],
)
async def test_paths(domain: KmsDomain, path: str, status: int, code: str) -> None:
    await refused(domain, path, b"", status, code)


async def test_identities_in_the_path(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    for uri in (BOB, "SIP:alice@a.example", ALICE + "/", ALICE + ";x=y", "sip%3Aalice%40a.example"):
        path = keyprov_path(uri)
        answer = await refused(domain, path, _signed(domain, keys, path), 403, "kms.identity")
        assert uri.encode() not in answer.content or uri == ALICE


async def test_periods(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    for ntp in (0, (1 << 64) - 1, 0xD6B4323200000000, 0x8000000000000000):
        path = keyprov_path(ALICE, ntp)
        await refused(domain, path, _signed(domain, keys, path), 404, "kms.period")


async def test_revoked(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    async with domain.admin() as admin:
        await admin.post("/v1/revoke", json={"identity": ALICE, "reason": "left"})
    for path in (keyprov_path(ALICE), init_path()):
        await refused(domain, path, _signed(domain, keys, path), 403, "kms.revoked")


async def test_refusals_of_a_known_client_are_signed(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    path = keyprov_path(BOB)
    answer = await refused(domain, path, _signed(domain, keys, path), 403, "kms.identity")
    assert dsig.verify(xml.parse(answer.content), keys.integrity_key).key_name == keys.integrity_name


async def test_other_methods(domain: KmsDomain) -> None:
    async with domain.http() as http:
        for method in ("GET", "PUT", "DELETE"):
            assert (await http.request(method, init_path())).status_code == 405
        keys = await http.get("/.well-known/jwks.json")
        assert keys.json() == domain.issuer.jwks()
        assert "d" not in keys.json()["keys"][0]


async def test_every_answer_is_valid_by_the_schema(domain: KmsDomain) -> None:
    keys = await keys_of(domain)
    for path in (init_path(), keyprov_path(), certcache_path(), certcache_path(1), f"{BASE_PATH}/cert"):
        answer = await post(domain, path, _signed(domain, keys, path))
        assert answer.status_code == 200
        xml.validate(xml.parse(answer.content), *SCHEMA)
    request = encode_request(KmsRequest(ALICE, "x", datetime.now(UTC), "y"))
    assert request.get("Id") == "request"
