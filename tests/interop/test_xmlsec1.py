"""The xmlsec1 program opens and verifies what we protect, and we what it protects."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from mcsec._core import Secret
from mcsec.errors import CheckFailed
from mcsec.ids import KeyId
from mcsec.wire import xenc, xml
from mcsec.wire.mcptt_info import McpttInfo, decode, encode
from mcsec.wire.multipart import Part
from mcsec.wire.signed_bodies import CONTENT_TYPE, sign, verify
from mcsec.wire.xmlsec import XmlKeys, decrypt, encrypt

pytestmark = pytest.mark.peer("xmlsec1")

KEYS = XmlKeys.derive(Secret(bytes(range(16))), KeyId(0x2ABBCCDD), "sip:alice@mc.example")
INFO = McpttInfo(access_token=Secret(b"eyJ0"), request_uri="sip:alice@mc.example", emergency_ind=True)
BODY = b"<mcpttinfo>\r\n  <a b='c'/></mcpttinfo>"

SIGNATURE_TEMPLATE = """<signatures xmlns="urn:3gpp:ns:mcpttSignedDoc:1.0" xmlns:extra="urn:extra">
  <Signature xmlns="http://www.w3.org/2000/09/xmldsig#">
    <SignedInfo>
      <CanonicalizationMethod Algorithm="{c14n}"/>
      <SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"/>
      <Reference URI="cid:1@mc.example">
        <DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><DigestValue/>
      </Reference>
    </SignedInfo>
    <SignatureValue/><KeyInfo><KeyName>{name}</KeyName></KeyInfo>
  </Signature>
</signatures>"""

ENCRYPTION_TEMPLATE = """<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#"
    Type="http://www.w3.org/2001/04/xmlenc#Content">
  <xenc:EncryptionMethod Algorithm="http://www.w3.org/2009/xmlenc11#aes128-gcm"/>
  <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:KeyName>{name}</ds:KeyName></ds:KeyInfo>
  <xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
</xenc:EncryptedData>"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["xmlsec1", *map(str, arguments)], capture_output=True, check=False, timeout=60)


@pytest.fixture
def key_files(tmp_path: Path) -> dict[str, Path]:
    files = {"aes": tmp_path / "aes", "hmac": tmp_path / "hmac"}
    files["aes"].write_bytes(KEYS.confidentiality.reveal())
    files["hmac"].write_bytes(KEYS.integrity.reveal())
    return files


def test_it_decrypts_what_we_encrypt(tmp_path: Path, key_files: dict[str, Path]) -> None:
    """Element by element: the program opens one EncryptedData of a document, the first."""
    document = tmp_path / "info.xml"
    for attribute in ("access_token", "request_uri", "emergency_ind"):
        document.write_bytes(encode(encrypt(INFO, KEYS, [attribute])))
        opened = run("--decrypt", f"--aeskey:{KEYS.name}", key_files["aes"], document)
        assert opened.returncode == 0, opened.stderr
        # The program leaves the attribute that says "Encrypted".
        assert decode(opened.stdout.replace(b'"Encrypted"', b'"Normal"')) == INFO


def test_we_decrypt_what_it_encrypts(tmp_path: Path, key_files: dict[str, Path]) -> None:
    document, template = tmp_path / "info.xml", tmp_path / "template.xml"
    document.write_bytes(encode(INFO))
    template.write_text(ENCRYPTION_TEMPLATE.format(name=KEYS.name))
    sealed = run(
        "--encrypt",
        f"--aeskey:{KEYS.name}",
        key_files["aes"],
        "--xml-data",
        document,
        "--node-xpath",
        "//*[local-name()='mcptt-request-uri']",
        template,
    )
    assert sealed.returncode == 0, sealed.stderr
    assert b"alice" not in sealed.stdout
    marked = xml.parse(sealed.stdout)
    marked[0][1].set("type", "Encrypted")
    assert decrypt(decode(xml.serialise(marked)), lambda _key_id: KEYS) == INFO


def test_it_verifies_what_we_sign(tmp_path: Path, key_files: dict[str, Path]) -> None:
    part = Part("application/vnd.3gpp.mcptt-info+xml", BODY)
    signed, holder = sign([part], KEYS, "mc.example")
    body, document = tmp_path / "body", tmp_path / "signed.xml"
    document.write_bytes(holder.body)
    for octets, status in ((BODY, 0), (BODY + b" ", 1)):
        body.write_bytes(octets)
        verified = run(
            "--verify",
            f"--hmackey:{KEYS.name}",
            key_files["hmac"],
            f"--url-map:cid:{signed.content_id}",
            body,
            document,
        )
        assert min(verified.returncode, 1) == status, verified.stderr


@pytest.mark.parametrize(
    "c14n", ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#"]
)
def test_we_verify_what_it_signs(tmp_path: Path, key_files: dict[str, Path], c14n: str) -> None:
    body, template = tmp_path / "body", tmp_path / "template.xml"
    body.write_bytes(BODY)
    template.write_text(SIGNATURE_TEMPLATE.format(c14n=c14n, name=KEYS.name))
    done = run(
        "--sign", f"--hmackey:{KEYS.name}", key_files["hmac"], "--url-map:cid:1@mc.example", body, template
    )
    assert done.returncode == 0, done.stderr
    part = Part("application/vnd.3gpp.mcptt-info+xml", BODY, (("Content-ID", "<1@mc.example>"),))
    holder = Part(CONTENT_TYPE, done.stdout)
    assert verify([part, holder], lambda _key_id: KEYS).signed == (part,)
    with pytest.raises(CheckFailed):
        verify([replace(part, body=BODY + b" "), holder], lambda _key_id: KEYS)
    other = done.stdout.replace(b"urn:extra", b"urn:other")
    if "exc" not in c14n:
        with pytest.raises(CheckFailed):
            verify([part, Part(CONTENT_TYPE, other)], lambda _key_id: KEYS)


WRAPPED_TEMPLATE = """<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#">
  <xenc:EncryptionMethod Algorithm="{content}"/>
  <ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><xenc:EncryptedKey>
    <xenc:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#kw-aes256"/>
    <ds:KeyInfo><ds:KeyName>tk.1</ds:KeyName></ds:KeyInfo>
    <xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
  </xenc:EncryptedKey></ds:KeyInfo>
  <xenc:CipherData><xenc:CipherValue/></xenc:CipherData>
</xenc:EncryptedData>"""


@pytest.mark.parametrize(("bits", "size"), [(128, 257), (256, 65)])
def test_we_open_content_keys_that_it_wraps(tmp_path: Path, bits: int, size: int) -> None:
    """Values whose length key wrap itself refuses travel under a content key that is wrapped."""
    kek, value, template = tmp_path / "kek", tmp_path / "value", tmp_path / "template.xml"
    kek.write_bytes(bytes(range(32)))
    value.write_bytes(bytes(octet % 251 for octet in range(size)))
    template.write_text(WRAPPED_TEMPLATE.format(content=f"http://www.w3.org/2009/xmlenc11#aes{bits}-gcm"))
    sealed = run(
        "--encrypt", "--aeskey:tk.1", kek, "--session-key", f"aes-{bits}", "--binary-data", value, template
    )
    assert sealed.returncode == 0, sealed.stderr
    element = xml.parse(sealed.stdout)
    assert xenc.open_octets(element, lambda _name: Secret(kek.read_bytes())) == value.read_bytes()
    with pytest.raises(CheckFailed):
        xenc.open_octets(element, lambda _name: Secret(bytes(32)))


def test_it_opens_octets_that_we_seal(tmp_path: Path) -> None:
    key, document = tmp_path / "key", tmp_path / "sealed.xml"
    for size in (16, 32):
        key.write_bytes(bytes(range(size)))
        document.write_bytes(xenc.seal_octets(b"<a/>", Secret(key.read_bytes()), "k"))
        opened = run("--decrypt", "--aeskey:k", key, document)
        assert opened.returncode == 0, opened.stderr
        assert opened.stdout == b"<a/>"


def test_names_of_keys_are_base64() -> None:
    assert KEYS.name == b64encode(bytes.fromhex("2abbccdd")).decode()
