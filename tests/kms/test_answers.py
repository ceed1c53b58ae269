"""What a KMS answers by configuration: signed certificates, and requests with lists of redirects."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from lxml import etree

from mcsec.net.config import ConfigError
from mcsec.net.kms.exchange import Exchange, certcache_path, init_path
from mcsec.wire import xml
from mcsec.wire.kms.model import NAMESPACE, SCHEMA, CertCache
from mcsec.wire.kms.protect import ProtectionKeys
from support.kms import ALICE, KmsDomain, make, serve

pytestmark = pytest.mark.anyio


async def _post(domain: KmsDomain, path: str, body: bytes) -> bytes:
    async with domain.http() as http:
        answer = await http.post(
            path,
            content=body,
            headers={"authorization": f"Bearer {domain.token()}", "content-type": "application/xml"},
        )
    assert answer.status_code == 200
    return answer.content


@pytest.mark.parametrize("wanted", ["true", "false"])
async def test_certificates_are_signed_by_configuration(tmp_path: Path, wanted: str) -> None:
    kept: list[ProtectionKeys] = []

    async def keep(keys: ProtectionKeys) -> None:
        kept.append(keys)

    async with serve(await make(tmp_path / "a", sign_certificates=wanted)) as domain:
        async with domain.client(keep=keep) as client:
            assert (await client.init()).kms_uri == "kms.a.example"
            await client.certificates()
        exchange = Exchange("kms.a.example", ALICE)
        sent = exchange.ask(domain.address + certcache_path(), kept[-1], time.time())
        document = await _post(domain, certcache_path(), sent.body)
        message = exchange.open(sent, 200, document, time.time()).message
    xml.validate(xml.parse(document), *SCHEMA)
    assert isinstance(message, CertCache)
    assert len(message.certificates) == 1
    signed = list(xml.parse(document).iter(f"{{{NAMESPACE}}}SignedKmsCertificate"))
    assert bool(signed) is (wanted == "true")


async def test_without_protection_there_is_nothing_to_sign_with(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sign_certificates"):
        await make(tmp_path / "a", sign_certificates="true", protection="false")


async def test_a_list_of_redirects_changes_nothing(tmp_path: Path) -> None:
    """docs/readings/kms.md: the schema has a place for it, and nobody's word but our operator's names a KMS."""
    async with serve(await make(tmp_path / "a", protection="false")) as domain:
        exchange = Exchange("kms.a.example", ALICE, protection=False)
        sent = exchange.ask(domain.address + init_path(), None, time.time())
        root = etree.fromstring(sent.body)
        krr = "urn:3gpp:ns:mcsecKMSKRR:1.0"
        redirects = etree.SubElement(root, f"{{{NAMESPACE}}}KrrList")
        redirect = etree.SubElement(redirects, f"{{{krr}}}KmsRedirectResponse", nsmap={"krr": krr})
        etree.SubElement(redirect, f"{{{krr}}}KmsUri").text = "kms.evil.example"
        plain = exchange.open(sent, 200, await _post(domain, init_path(), sent.body), time.time()).message
        document = await _post(domain, init_path(), etree.tostring(root))
        assert exchange.open(sent, 200, document, time.time()).message == plain
        assert b"evil" not in document
