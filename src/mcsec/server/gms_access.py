"""How the server reaches a GMS: that of its own domain for group documents, any for MKFCs in Release 13 mode."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import Field

from mcsec.crypto.secret import Secret
from mcsec.net.config import Section
from mcsec.net.gms import GmsClient, GmsClientSettings
from mcsec.net.tls import client_context
from mcsec.net.token_source import read_token

Connect = Callable[[], GmsClient]
"""Gives a client of the GMS, not yet entered."""


class GmsSection(Section):
    """A GMS: ``[server.gms]`` for our own domain's, ``gms`` of a partner for another one.

    ``token``: where the server's access token for it is. ``refresh``: seconds between looks. ``uri``: its identity,
    ``gms.DOMAIN`` unless given. ``kms``: the URI of its KMS, ``kms.DOMAIN`` unless given.
    """

    address: str = "https://127.0.0.1:8444"
    ca: str = "tls/ca.pem"
    token: str = "file:server-gms.token"  # noqa: S105  # where it is, not what it is
    refresh: float = Field(default=10.0, ge=1.0, le=3600.0)
    uri: str = ""
    kms: str = ""


def connector(section: GmsSection, directory: Path, identity: str) -> Connect:
    """What connects to a GMS as ``identity``; paths start from ``directory``.

    :raises TlsError: the CA file cannot be used.
    """
    tls = client_context(directory / section.ca)

    async def token() -> Secret:
        return read_token(section.token, directory, "[server.gms]", identity)

    return lambda: GmsClient(GmsClientSettings(section.address.rstrip("/")), token, tls)
