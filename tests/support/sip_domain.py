"""A domain on disk for tests of its processes: KMS, MCX server with a group, clients' tokens."""

from __future__ import annotations

import re
import time
from pathlib import Path

from mcsec.kms.config import load
from mcsec.kms.issuers import open_local
from mcsec.lab.init import make_domain
from mcsec.lab.ports import free_port

MDSI = "mcx.a.example"
GROUP = "sip:rescue@a.example"
USERS = ("sip:alice1@a.example", "sip:alice2@a.example")


async def make(directory: Path) -> int:
    """A domain in ``directory``, and the port that its MCX server listens at."""
    port = free_port()
    await make_domain(directory, "a.example", time.time())
    file = directory / "mcsec.toml"
    text = file.read_text().replace("127.0.0.1:8443", "127.0.0.1:0")
    # Whatever the server's section says by itself, the tests have one of their own.
    text = re.sub(r"^\[\[?server[^\n]*\n(?:(?!\[)[^\n]*\n)*", "", text, flags=re.MULTILINE)
    members = ", ".join(f'"{user}"' for user in USERS)
    file.write_text(
        f'{text}\n[server]\nlisten = ["tls:127.0.0.1:{port}"]\n'
        f'[[server.groups]]\nid = "{GROUP}"\nmembers = [{members}]\nmusik = "own"\n'
    )
    config = load(file)
    token = directory / "server.token"
    token.write_text(
        open_local(config).issue(
            MDSI, audience=config.kms.uri, scopes=config.kms.tokens.scopes, now=time.time()
        )
    )
    token.chmod(0o600)
    return port


def find_kms(directory: Path, address: str) -> None:
    """Tell the server where the KMS is."""
    file = directory / "mcsec.toml"
    file.write_text(f'{file.read_text()}\n[server.kms]\naddress = "{address}"\n')
