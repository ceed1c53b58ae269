"""Two domains from ``mcsec init``, partners by configuration and ``mcsec spk``: they know one another by mutual TLS."""

from __future__ import annotations

import asyncio
import re
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.kms.config import load
from mcsec.kms.observe import Observer
from mcsec.kms.service import running as running_kms
from mcsec.lab.init import make_domain
from mcsec.lab.ports import free_port
from mcsec.net.sip.compose import make_request
from mcsec.net.sip.inviting import CallRefused
from mcsec.server.calls import bodies
from mcsec.server.calls.bodies import Audio
from mcsec.server.calls.events import PartnerRefused
from mcsec.server.config import Configuration
from mcsec.server.running import running
from mcsec.wire import multipart
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.sdp_mcptt import FloorParameters

pytestmark = pytest.mark.anyio
A, B = "a.example", "b.example"


async def make(directory: Path, name: str, other: str, port: int, other_port: int) -> Path:
    """A domain without bearers, whose partner is ``other``."""
    await make_domain(directory / name, name, time.time())
    file = directory / name / "mcsec.toml"
    text = file.read_text().replace("127.0.0.1:8443", "127.0.0.1:0")
    text = re.sub(r"^\[\[?server[^\n]*\n(?:(?!\[)[^\n]*\n)*", "", text, flags=re.MULTILINE)
    file.write_text(
        f'{text}\n[server]\nlisten = ["tls:127.0.0.1:{port}"]\n'
        f'[[server.partners]]\ndomain = "{other}"\nsip = "tls:127.0.0.1:{other_port}"\n'
        f'ca = "../{other}/tls/ca.pem"\n'
    )
    return file


def mcsec(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


async def test_partners_of_configuration(tmp_path: Path) -> None:
    ports = {A: free_port(), B: free_port()}
    files = {
        name: await make(tmp_path, name, other, ports[name], ports[other]) for name, other in ((A, B), (B, A))
    }
    given = str(tmp_path / "spk")
    await asyncio.to_thread(mcsec, "spk", "new", "--config", str(files[A]), "--peer", f"mcx.{B}", "-o", given)
    await asyncio.to_thread(mcsec, "spk", "take", "--config", str(files[B]), given)
    assert f"mcx.{A}" in await asyncio.to_thread(mcsec, "spk", "list", "--config", str(files[B]))
    events: dict[str, list[Event]] = {A: [], B: []}
    async with AsyncExitStack() as stack:
        running_both = {}
        for name, file in files.items():
            kms = await stack.enter_async_context(running_kms(load(file), Observer(), time.time()))
            file.write_text(f'{file.read_text()}\n[server.kms]\naddress = "{kms.address}"\n')
            running_both[name] = await stack.enter_async_context(
                running(Configuration.load(file), events[name].append)
            )
        a, b = running_both[A], running_both[B]
        for one in (a, b):
            assert PurposeTag.SPK in one.server.function.engine.kinds_held
        (partner,) = (link.partner for link in a.calls.around.links.values())
        place = ("127.0.0.1", 4000)
        description = bodies.write(place, place, Audio("RTP/SAVP", ("0",), ()), FloorParameters(ssrc=1))
        info = McpttInfo(session_type="chat", request_uri=f"sip:none@{B}", calling_user_id=f"sip:ann@{A}")
        content_type, body = multipart.encode(bodies.parts(info, description))
        request = make_request(
            "INVITE", partner.controlling, from_=f"sip:mcptt@{A}", body=body, content_type=content_type
        )
        with pytest.raises(CallRefused) as refused:
            await a.server.endpoint.invite(request, partner.hop)
        assert "113 group document does not exist" in (refused.value.response.headers.get("Warning") or "")
        assert [event.peer for event in events[B] if isinstance(event, PartnerRefused)] == [A]
