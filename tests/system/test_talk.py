"""``mcsec client talk`` and ``listen --record`` as processes: keys from a KMS and from a GMS of another domain.

The MCX server is a script, so that nothing but the clients is looked at; the KMSs and the GMS are real.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcsec.client.audio import speech, wav
from mcsec.ids import PurposeTag
from mcsec.kms.issuers import open_local
from mcsec.lab.audio import compare
from mcsec.mikey.build import Initiator
from support.call_mcx import CallMcx
from support.client_process import lines_until, start
from support.gms import DAN, GROUP, HOME, PARTNER, GmsDomain, document, gms_domain
from support.scripted_mcx import MDSI, PSI

pytestmark = pytest.mark.anyio

EVE = f"sip:eve@{PARTNER}"
CONFIG = """
[client]
identity = "{user}"
groups = ["{group}"]

[server]
host = "127.0.0.1"
port = {port}
transport = "TCP"
trust = ["127.0.0.0/8"]
domain = "{domain}"
psi = "{psi}"
mdsi = "{mdsi}"

[kms]
address = "{kms}"
uri = "kms.{domain}"
ca = "{kms_ca}"
keys = "{name}.kms-keys"

[kms.token]
file = "{name}-kms.jwt"

[token]
file = "{name}.jwt"

[[gms]]
address = "{gms}"
uri = "gms.{home}"
kms = "kms.{home}"
domain = "{home}"
groups = ["{group}"]
ca = "{gms_ca}"
token = {{ file = "{name}-gms.jwt" }}
refresh = 1.0
"""


def configure(directory: Path, made: GmsDomain, user: str, port: int) -> Path:
    name, kms = user[4:7], made.kms[PARTNER]
    configuration = kms.configuration
    tokens = configuration.kms.tokens
    for_kms = open_local(configuration).issue(
        user, audience=configuration.kms.uri, scopes=tokens.scopes, now=time.time()
    )
    (directory / f"{name}-kms.jwt").write_text(for_kms)
    (directory / f"{name}-gms.jwt").write_text(made.token(user))
    (directory / f"{name}.jwt").write_text("a.token.for-the-script")
    file = directory / f"{name}.toml"
    file.write_text(
        CONFIG.format(
            user=user,
            name=name,
            group=GROUP,
            port=port,
            domain=PARTNER,
            psi=PSI,
            mdsi=MDSI,
            kms=kms.service.address,
            kms_ca=configuration.path("tls/ca.pem"),
            gms=made.running.address,
            gms_ca=made.config.path("tls/ca.pem"),
            home=HOME,
        )
    )
    return file


@asynccontextmanager
async def domains(tmp_path: Path) -> AsyncIterator[tuple[GmsDomain, CallMcx, int]]:
    """A GMS of B with a group, and the server of A, whose users are members."""
    async with gms_domain(tmp_path / "domains") as made:
        await made.put(document(DAN, EVE))
        keys, _ = await made.kms[PARTNER].provision(MDSI, time.time())
        async with CallMcx(identity=Initiator(keys, made.kms[PARTNER].public)) as mcx:
            yield made, mcx, await mcx.listen("TCP")


async def test_one_process_says_a_file_and_another_records_it(tmp_path: Path) -> None:
    said, heard = tmp_path / "said.wav", tmp_path / "heard.wav"
    wav.write(said, speech.synthesise(1.0))
    async with domains(tmp_path) as (made, _, port):
        listener = configure(tmp_path, made, EVE, port)
        talker = configure(tmp_path, made, DAN, port)
        recording = await start(
            "listen", "--json", "--config", str(listener), "--group", GROUP, "--record", str(heard)
        )
        before = await lines_until(recording, "CallStarted")
        if "GMKInstalled" not in {line["event"] for line in before}:
            before += await lines_until(recording, "GMKInstalled")
        saying = await start(
            "talk", "--json", "--config", str(talker), "--group", GROUP, "--audio", str(said)
        )
        out, err = await saying.communicate()
        assert (saying.returncode, err) == (0, b"")
        lines = [json.loads(line) for line in out.splitlines()]
        assert lines[-1]["event"] == "Summary"
        assert (lines[-1]["frames_said"], lines[-1]["complete"]) == (50, True)
        told = [line["event"] for line in lines]
        wanted = ("GMKInstalled", "CallStarted", "FloorGranted", "FloorEnded", "CallEnded", "LoggedOff")
        assert [told.count(name) for name in wanted] == [1] * len(wanted)
        before += await lines_until(recording, "FloorIdle")
        recording.send_signal(signal.SIGINT)
        rest = await lines_until(recording, "Summary")
        assert await recording.wait() == 0
        assert rest[-1]["packets_dropped"] == {}
        assert rest[-1]["seconds_recorded"] == 1.0
        found = compare(wav.read(said), wav.read(heard))
        assert found.identical, str(found)
        # No secret of the group stands in what the clients told.
        (gmk,) = [key for key in made.gms.engine.keys if key.key_id.tag is PurposeTag.GMK]
        text = out.decode() + json.dumps(before + rest)
        assert gmk.secret.reveal().hex() not in text


async def test_who_is_no_member_gets_no_key_and_says_nothing(tmp_path: Path) -> None:
    async with domains(tmp_path) as (made, mcx, port):
        stranger = configure(tmp_path, made, f"sip:mal@{PARTNER}", port)
        process = await start("talk", "--config", str(stranger), "--group", GROUP, "--patience", "1")
        out, err = await process.communicate()
        assert process.returncode == 1
        assert b"mcsec: call.no-key" in err
        assert b"ProcedureFailed procedure=gms.refused-" in out
        assert not mcx.legs


async def test_a_rotated_key_is_fetched_when_media_comes_under_it(tmp_path: Path) -> None:
    """The listener looks for new keys every half minute; the talker's first packet makes it look at once."""
    async with domains(tmp_path) as (made, mcx, port):
        listener = configure(tmp_path, made, EVE, port)
        listener.write_text(listener.read_text().replace("refresh = 1.0", "refresh = 30.0"))
        recording = await start("listen", "--json", "--config", str(listener), "--group", GROUP)
        before = await lines_until(recording, "CallStarted")
        if "GMKInstalled" not in {line["event"] for line in before}:
            await lines_until(recording, "GMKInstalled")
        # Somebody leaves the group, and with it the key that everybody held.
        await made.put(document(DAN, EVE, f"sip:ann@{HOME}"))
        await made.put(document(DAN, EVE))
        talker = configure(tmp_path, made, DAN, port)
        saying = await start("talk", "--config", str(talker), "--group", GROUP)
        await saying.communicate()
        assert saying.returncode == 0
        await lines_until(recording, "GMKInstalled")
        recording.send_signal(signal.SIGINT)
        rest = await lines_until(recording, "Summary")
        assert await recording.wait() == 0
        assert rest[-1]["media_heard"] > 0
        assert set(rest[-1]["packets_dropped"]) == {"keyring.unknown"}
        assert mcx.legs
