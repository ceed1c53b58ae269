"""TLS contexts, and a development CA for one machine. A deployment brings certificates of its own."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mcsec.errors import LocalError

_CA_DAYS = 3650
_LEAF_DAYS = 397
_EARLY = datetime.timedelta(minutes=5)


class TlsError(LocalError):
    """A certificate or key cannot be used."""

    code = "tls.files"


def server_context(
    certificate: Path, key: Path, *, clients: Path | None = None, required: bool = True
) -> ssl.SSLContext:
    """TLS 1.2 or later for a server; ``clients`` is the CA of client certificates, ``required`` or only asked for.

    :raises TlsError: a file cannot be read, or they do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
        if clients is not None:
            context.load_verify_locations(clients)
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{certificate}, {key}: {error}") from None
    return context


def client_context(
    authorities: Path | None = None, *, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """TLS 1.2 or later for a client that believes ``authorities`` (None: those of the system).

    :raises TlsError: a file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=str(authorities) if authorities else None)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{authorities or certificate}: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def believe(context: ssl.SSLContext, authorities: Path) -> None:
    """Let a context believe other authorities too.

    :raises TlsError: a file cannot be read.
    """
    try:
        context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise TlsError(f"{authorities}: {error}") from None


class DevelopmentCa:
    """A CA that lives in a directory, for development: whoever can read the directory can be anybody.

    Files: ``ca.pem``, ``ca.key``, then ``NAME.pem`` and ``NAME.key`` for each certificate.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "ca.pem"

    def create(self, domain: str) -> None:
        """Makes the CA.

        :raises TlsError: the directory cannot be written, or has one.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _build(f"mcsec development CA of {domain}", key.public_key(), None, key, ())
        _write(self.directory / "ca.key", _key_pem(key))
        _write(self.file, certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, hosts: Iterable[str]) -> tuple[Path, Path]:
        """A certificate for ``hosts`` (names and addresses), for both ends of TLS; its files.

        :raises TlsError: there is no CA here, or a file exists.
        """
        try:
            issuer = x509.load_pem_x509_certificate(self.file.read_bytes())
            signer = serialization.load_pem_private_key((self.directory / "ca.key").read_bytes(), None)
        except (OSError, ValueError) as error:
            raise TlsError(f"{self.directory}: no CA: {error}") from None
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TlsError(f"{self.directory}: not a CA of ours")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _build(name, key.public_key(), issuer, signer, tuple(hosts))
        files = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        _write(files[1], _key_pem(key))
        _write(files[0], certificate.public_bytes(serialization.Encoding.PEM))
        return files


def _build(
    name: str,
    key: ec.EllipticCurvePublicKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
    hosts: tuple[str, ...],
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.datetime.now(datetime.UTC)
    authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + datetime.timedelta(days=_CA_DAYS if authority else _LEAF_DAYS))
        .add_extension(
            x509.BasicConstraints(ca=authority, path_length=0 if authority else None), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                key_cert_sign=authority,
                crl_sign=authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if not authority:
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False).add_extension(
            x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False
        )
    return builder.sign(signer, hashes.SHA256())


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    try:
        return x509.DNSName(host)
    except ValueError:
        raise TlsError(f"{host!r} is no host name") from None


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, octets: bytes) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
