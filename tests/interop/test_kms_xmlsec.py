"""xmlsec, as another implementation, reads what our KMS interface signs and seals, and we read what it does."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from mcsec._core import Secret
from mcsec.errors import CheckFailed
from mcsec.wire import dsig, xenc, xml
from mcsec.wire.kms.answer import write_response
from mcsec.wire.kms.model import CertCache, Certificate, KmsRequest, KmsResponse, Role
from mcsec.wire.kms.protect import ProtectionKeys, write_request

pytestmark = pytest.mark.peer("xmlsec1")

KEYS = ProtectionKeys.fresh("sip:u@a.example", 1)
NAME = "tk.1.sip:u@a.example"


def xmlsec(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["xmlsec1", *map(str, arguments)], capture_output=True, check=False, timeout=20)


def key_file(tmp_path: Path, secret: Secret) -> Path:
    path = tmp_path / f"key-{len(secret)}"
    path.write_bytes(secret.reveal())
    return path


def request() -> bytes:
    return write_request(
        KmsRequest("sip:u@a.example", "kms.a.example", datetime.now(UTC), "https://kms/init"), KEYS
    )


def verify(tmp_path: Path, document: bytes, *keys: object) -> bool:
    path = tmp_path / "signed.xml"
    path.write_bytes(document)
    done = xmlsec("--verify", "--id-attr:Id", "KmsRequest", *keys, path)
    assert done.returncode in (0, 1)
    return done.returncode == 0


def test_xmlsec_verifies_our_signatures(tmp_path: Path) -> None:
    key = f"--hmackey:{KEYS.integrity_name}"
    assert verify(tmp_path, request(), key, key_file(tmp_path, KEYS.integrity))
    changed = request().replace(b"https://kms/init", b"https://kms/keyprov")
    assert not verify(tmp_path, changed, key, key_file(tmp_path, KEYS.integrity))
    assert not verify(tmp_path, request(), key, key_file(tmp_path, Secret(b"x" * 32)))


@pytest.mark.parametrize("size", [32, 65, 257])
def test_xmlsec_opens_our_sealed_keys(tmp_path: Path, size: int) -> None:
    """The sealed key signs a document: xmlsec can verify it only with every octet of what it unwrapped."""
    secret = Secret.random(size)
    sealed = xenc.seal_key(secret, KEYS.transport, NAME)
    key = f"--aeskey:{NAME}"

    def document(signer: Secret) -> bytes:
        root = etree.fromstring('<Signed><KmsRequest Id="r">go</KmsRequest></Signed>')
        signature = dsig.sign(root[0], signer, "replaced")
        signature[2][:] = [etree.fromstring(sealed)]
        root.append(signature)
        return etree.tostring(root)

    assert verify(tmp_path, document(secret), key, key_file(tmp_path, KEYS.transport))
    assert not verify(tmp_path, document(Secret.random(size)), key, key_file(tmp_path, KEYS.transport))


def test_xmlsec_verifies_the_signatures_of_certificates(tmp_path: Path) -> None:
    own = Certificate(Role.ROOT, "kms.a.example", 100, 0, b"\4" * 257, b"\4" * 65, domains=("a.example",))
    partner = replace(own, role=Role.EXTERNAL, kms_uri="kms.b.example", domains=("b.example",))
    response = KmsResponse(
        "sip:u@a.example",
        "kms.a.example",
        datetime.now(UTC),
        "https://kms/certcache",
        CertCache(2, (own, partner)),
    )
    document = tmp_path / "answer.xml"

    def holds(octets: bytes, signature: str) -> bool:
        document.write_bytes(octets)
        done = xmlsec(
            "--verify", "--id-attr:Id", "KmsResponse", "--id-attr:Id", "KmsCertificate",
            "--node-xpath", f"({signature})", f"--hmackey:{KEYS.integrity_name}",
            key_file(tmp_path, KEYS.integrity), document,
        )  # fmt: skip
        assert done.returncode in (0, 1)
        return done.returncode == 0

    written = write_response(response, KEYS, sign_certificates=True)
    certificates = [
        f"//*[local-name()='SignedKmsCertificate'][{n}]/*[local-name()='Signature']" for n in (1, 2)
    ]
    whole = "/*/*[local-name()='Signature']"
    assert all(holds(written, signature) for signature in (*certificates, whole))
    changed = written.replace(b"kms.b.example", b"kms.c.example")
    assert [holds(changed, signature) for signature in (*certificates, whole)] == [True, False, False]


TEMPLATE = f"""<Signed xmlns="urn:example"><KmsRequest Id="r"><Do>go</Do></KmsRequest>
<ds:Signature xmlns:ds="{dsig.NAMESPACE}"><ds:SignedInfo>
<ds:CanonicalizationMethod Algorithm="{{c14n}}"/><ds:SignatureMethod Algorithm="{dsig.HMAC_SHA256}"/>
<ds:Reference URI="#r"><ds:Transforms><ds:Transform Algorithm="{{c14n}}"/></ds:Transforms>
<ds:DigestMethod Algorithm="{dsig.SHA256}"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>
<ds:KeyInfo><ds:KeyName>{{name}}</ds:KeyName></ds:KeyInfo></ds:Signature></Signed>"""


@pytest.mark.parametrize("c14n", [dsig.EXCLUSIVE_C14N, dsig.INCLUSIVE_C14N])
def test_we_verify_signatures_of_xmlsec(tmp_path: Path, c14n: str) -> None:
    template = tmp_path / "template.xml"
    template.write_text(TEMPLATE.format(c14n=c14n, name=KEYS.integrity_name))
    key = f"--hmackey:{KEYS.integrity_name}"
    done = xmlsec(
        "--sign", "--id-attr:Id", "urn:example:KmsRequest", key, key_file(tmp_path, KEYS.integrity), template
    )
    assert done.returncode == 0, done.stderr
    verified = dsig.verify(xml.parse(done.stdout), KEYS.integrity_key)
    assert verified.element[0].text == "go"
    with pytest.raises(CheckFailed):
        dsig.verify(xml.parse(done.stdout.replace(b">go<", b">no<")), KEYS.integrity_key)


ENCRYPTED = f"""<xenc:EncryptedData xmlns:xenc="{xenc.NAMESPACE}">
<xenc:EncryptionMethod Algorithm="{xenc.AES256_GCM}"/><ds:KeyInfo xmlns:ds="{dsig.NAMESPACE}">
<xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="{xenc.KW_AES256}"/><ds:KeyInfo><ds:KeyName>{NAME}</ds:KeyName>
</ds:KeyInfo><xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>
<xenc:CipherData><xenc:CipherValue/></xenc:CipherData></xenc:EncryptedData>"""


@pytest.mark.parametrize("size", [65, 257])
def test_we_open_keys_that_xmlsec_sealed(tmp_path: Path, size: int) -> None:
    secret = Secret.random(size)
    template, plain = tmp_path / "template.xml", tmp_path / "plain"
    template.write_text(ENCRYPTED)
    plain.write_bytes(secret.reveal())
    done = xmlsec(
        "--encrypt", "--session-key", "aes-256", f"--aeskey:{NAME}", key_file(tmp_path, KEYS.transport),
        "--binary-data", plain, template,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    element = xml.parse(done.stdout)
    assert xenc.open_octets(element, lambda name: KEYS.transport) == secret.reveal()
    # The command line of xmlsec writes EncryptedData only; as key content it is called EncryptedKey.
    element.tag = f"{{{xenc.NAMESPACE}}}EncryptedKey"
    sealed = etree.tostring(element)
    assert xenc.open_key(sealed, KEYS.transport_key) == secret
    assert b64encode(secret.reveal())[:40] not in sealed
