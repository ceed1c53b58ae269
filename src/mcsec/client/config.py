"""Configuration of clients: one TOML file for one client, or for many that differ by a number.

``{n}`` in an identity, a client ID or a file name stands for the number of the client, from 1. Paths are relative to
the directory of the file. Unknown names are refused, so that a misspelt switch is noticed.
"""

from __future__ import annotations

import os
import socket
import ssl
import uuid
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from mcsec._core import Secret
from mcsec.client.engine import Party
from mcsec.client.floor_config import FloorSection
from mcsec.client.groupkeys import GmsSource
from mcsec.client.host import HostSettings
from mcsec.client.profile import STANDARD_REJOIN, Authorisation, Profile, RejoinTimes
from mcsec.errors import LocalError
from mcsec.net.config import ConfigError, Section, read, section
from mcsec.net.gms import GmsClient, GmsClientSettings
from mcsec.net.multicast import LOOPBACK
from mcsec.net.sip.auth import DigestClient
from mcsec.net.sip.peer import DEFAULT_PORT, Hop, Trust
from mcsec.net.sip.refreshing import STANDARD_RETRY, RetryTimes
from mcsec.net.sip.settings import EndpointSettings
from mcsec.net.tls import client_context

_CLIENT_IDS = uuid.UUID("5f9d4c0e-7a3b-4a54-9a5e-0d6c1d1c0f10")
_MOST_TOKEN_OCTETS = 16_384


class SecretSection(Section):
    """Where an access token or a password is: a file, or an environment variable. Read again each time it is needed."""

    file: str | None = None
    env: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either file or env")
        return self


class RetrySection(Section):
    """Seconds until a registration is tried again: after a lost connection, after a failure, at most."""

    lost: float = Field(default=STANDARD_RETRY.lost, gt=0)
    first: float = Field(default=STANDARD_RETRY.first, gt=0)
    most: float = Field(default=STANDARD_RETRY.most, gt=0)


class RejoinSection(Section):
    """When calls that the server lost are made again; see :class:`~mcsec.client.profile.RejoinTimes`."""

    first: float = Field(default=STANDARD_REJOIN.first, gt=0)
    longest: float = Field(default=STANDARD_REJOIN.longest, gt=0)
    within: float = Field(default=STANDARD_REJOIN.within, ge=0)


class DigestSection(Section):
    """What to answer a registrar that asks for digest authentication."""

    username: str = Field(min_length=1)
    password: SecretSection


class ClientSection(Section):
    """Who the client is. ``impu`` is ``identity`` unless given; ``client_id`` is made from it unless given."""

    identity: str = Field(min_length=5)
    impu: str = ""
    client_id: str = ""
    groups: list[str] = []
    area: int | None = Field(default=None, ge=0, le=0xFFFF)
    authorisation: Authorisation = Authorisation.REGISTER
    protect_xml: bool = True
    require_protected_xml: bool = True
    expires: int = Field(default=3600, ge=10, le=86_400)
    silence: float = Field(default=10.0, gt=0)
    retry: RetrySection = RetrySection()
    rejoin: RejoinSection = RejoinSection()
    interface: str = LOOPBACK
    floor: FloorSection = FloorSection()


class ServerSection(Section):
    """The participating function: where it is, and as whom it is believed.

    ``local``: address of this machine for datagrams; unless given, that from which the server is reached.
    ``name`` is what its certificate must show, ``host`` unless given. ``trust`` are networks whose assertions count
    over UDP and TCP; over TLS the certificate's name counts.
    """

    host: str = Field(min_length=1)
    port: int = Field(default=0, ge=0, le=65535)
    transport: Literal["TLS", "TCP", "UDP"] = "TLS"
    name: str = ""
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    domain: str = Field(min_length=1)
    psi: str = Field(min_length=5)
    mdsi: str = Field(min_length=1)
    registrar: str = ""
    local: str = ""
    trust: list[str] = []


class KmsSection(Section):
    """The KMS of client and server. Protection keys are kept in ``keys``, wrapped under ``kek``."""

    address: str = Field(min_length=9)
    uri: str = Field(min_length=1)
    ca: str | None = None
    protection: bool = True
    kek: str = "file:client.kek"
    keys: str = "{client_id}.kms-keys"
    token: SecretSection | None = None


class GmsSection(Section):
    """A GMS, and the groups that are at home with it: only it may send their keys. ``kms``: its KMS, ours unless given.

    ``refresh``: seconds between looks for new keys.
    """

    address: str = Field(min_length=9)
    uri: str = Field(min_length=1)
    domain: str = Field(min_length=1)
    kms: str = ""
    groups: list[str] = Field(min_length=1)
    ca: str | None = None
    token: SecretSection
    refresh: float = Field(default=30.0, ge=1.0)


class _File(Section):
    client: ClientSection
    server: ServerSection
    kms: KmsSection
    token: SecretSection
    digest: DigestSection | None = None
    gms: list[GmsSection] = []


def _wrong(path: Path, where: str, what: str) -> ConfigError:
    return ConfigError(f"{path}: {where}: {what}", hint="docs/client.md says what each name means")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a file says, and the directory that paths start from."""

    file: Path
    content: _File

    @classmethod
    def load(cls, path: Path) -> Self:
        """The configuration in a file.

        :raises ConfigError: it cannot be read, or says something that is not understood.
        """
        content = read(path, "docs/client.md has an example")
        return cls(path.absolute(), section(_File, content, f"{path}: "))

    @property
    def kms(self) -> KmsSection:
        """The KMS's section."""
        return self.content.kms

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups to be affiliated to."""
        return tuple(self.content.client.groups)

    def path(self, name: str) -> Path:
        """A path of the configuration."""
        return self.file.parent / name

    def profile(self, number: int) -> Profile:
        """Client ``number``, from 1.

        :raises ConfigError: an identity is none.
        """
        client, server = self.content.client, self.content.server
        identity = _numbered(client.identity, number)
        client_id = _numbered(client.client_id, number) or f"urn:uuid:{uuid.uuid5(_CLIENT_IDS, identity)}"
        try:
            return Profile(
                mc_service_id=identity,
                impu=_numbered(client.impu, number) or identity,
                client_id=client_id,
                registrar=server.registrar or f"sip:{server.domain}",
                psi=server.psi,
                server=Party(server.mdsi, self.kms.uri, server.domain),
                authorisation=client.authorisation,
                protect_xml=client.protect_xml,
                require_protected_xml=client.require_protected_xml,
                expires=client.expires,
                retry=RetryTimes(client.retry.first, client.retry.most, client.retry.lost),
                rejoin=RejoinTimes(client.rejoin.first, client.rejoin.longest, client.rejoin.within),
            )
        except LocalError as error:
            raise ConfigError(f"{self.file}: {error}") from None

    def check_count(self, count: int) -> None:
        """Whether the file describes that many clients.

        :raises ConfigError: several, and their identities would be one.
        """
        if count > 1 and "{n}" not in self.content.client.identity:
            raise _wrong(self.file, "client.identity", "several clients need {n} in it")

    def token(self, number: int, *, for_kms: bool = False) -> Secret:
        """The access token of client ``number``, read now.

        :raises ConfigError: there is none, or it is no token.
        """
        source = (self.kms.token if for_kms else None) or self.content.token
        return self._secret(source, number, "access token")

    def group_keys(self, number: int) -> list[GmsSource]:
        """Where client ``number`` gets the keys of its groups from.

        :raises ConfigError: two GMSs for one group. :raises TlsError: a file cannot be used.
        """
        sources: list[GmsSource] = []
        known: set[str] = set()
        for one in self.content.gms:
            if twice := known.intersection(one.groups):
                raise _wrong(self.file, "gms.groups", f"{min(twice)} is at home with one GMS")
            known.update(one.groups)
            party = Party(one.uri, one.kms or self.kms.uri, one.domain)
            connect = partial(self._gms, one, number, client_context(self._optional(one.ca)))
            sources.append(GmsSource(party, tuple(one.groups), connect, one.refresh))
        return sources

    def _gms(self, section: GmsSection, number: int, tls: ssl.SSLContext) -> GmsClient:
        async def token() -> Secret:
            return self._secret(section.token, number, "access token")

        return GmsClient(GmsClientSettings(section.address.rstrip("/")), token, tls)

    def credentials(self, number: int) -> DigestClient | None:
        """What client ``number`` answers to a registrar that asks for digest authentication; None: nothing.

        :raises ConfigError: there is no password.
        """
        section = self.content.digest
        if section is None:
            return None
        password = self._secret(section.password, number, "password")
        return DigestClient(_numbered(section.username, number), password)

    def _secret(self, source: SecretSection, number: int, what: str) -> Secret:
        if source.env is not None:
            name = _numbered(source.env, number)
            text = os.environ.get(name, "")
            where = f"environment variable {name}"
        else:
            file = self.path(_numbered(source.file or "", number))
            where = str(file)
            try:
                text = file.read_text("ascii")[: _MOST_TOKEN_OCTETS + 1]
            except OSError as error:
                raise _wrong(self.file, what, f"{where}: {error.strerror}") from None
            except UnicodeDecodeError:
                raise _wrong(self.file, what, f"{where}: no {what}") from None
        text = text.strip()
        if not text or len(text) > _MOST_TOKEN_OCTETS or not text.isascii() or not text.isprintable():
            raise _wrong(self.file, what, f"{where} holds no {what}")
        return Secret(text.encode())

    def host(self) -> HostSettings:
        """How the clients reach their server.

        :raises ConfigError: an address that is none. :raises TlsError: a file cannot be used.
        """
        server = self.content.server
        port = server.port or DEFAULT_PORT[server.transport]
        context = None
        if server.transport == "TLS":
            if not server.name and _is_address(server.host):
                # The connection would do, but nothing that comes by it would be believed.
                raise _wrong(self.file, "server.name", "an address has no name to be believed by: give one")
            context = client_context(
                self._optional(server.ca),
                certificate=self._optional(server.certificate),
                key=self._optional(server.key),
            )
        name = server.name or server.host
        names = frozenset({name.lower()}) if server.transport == "TLS" else frozenset[str]()
        trust = Trust(names=names, addresses=self._networks(), datagrams=True)
        return HostSettings(
            Hop(server.transport, server.host, port, name),
            EndpointSettings(trust=trust, client_tls=context),
            (server.local or _towards(server.host, port), 0),
            self.content.client.interface,
            self.content.client.floor.policy,
        )

    def _networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        try:
            return tuple(ip_network(text) for text in self.content.server.trust)
        except ValueError as error:
            raise _wrong(self.file, "server.trust", str(error)) from None

    def _optional(self, name: str | None) -> Path | None:
        return None if name is None else self.path(name)


def _towards(host: str, port: int) -> str:
    """The address of this machine from which a server is reached; that of loopback where there is no way to it yet."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, _, _, _, place = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as ways:
            # Nothing is sent: the system only chooses the way.
            ways.connect(place)
            return str(ways.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _numbered(text: str, number: int) -> str:
    return text.replace("{n}", str(number))
