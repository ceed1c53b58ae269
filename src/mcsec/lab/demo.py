"""The story that ``mcsec demo`` tells: one group call over a bearer, two domains, and what each may know.

Domain A is home of the listeners and owns the bearer; domain B is home of the group. What is claimed at the end is
what was observed on the sockets, not what was meant to happen.
"""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from mcsec.keys.kinds import Traffic
from mcsec.lab.acts import locked_out, media_unread, protected_broadcast, refusals
from mcsec.lab.adversary import Adversary
from mcsec.lab.air import Air, subchannels
from mcsec.lab.claims import DemoReport
from mcsec.lab.domain import lab_domain
from mcsec.lab.evidence import key_rows, write_capture, write_keylog
from mcsec.lab.gms import lab_gms
from mcsec.lab.keying import give_group_keys, give_signalling_keys
from mcsec.lab.mb2 import AREA, LabBearer, lab_bearer
from mcsec.lab.release_13 import control_statement, release_13
from mcsec.lab.seeded import WARNING, fixed_randomness
from mcsec.lab.signalling import sip_signalling
from mcsec.lab.stage import Say, Stage
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.joint import Plan

LISTENERS = 4
GROUP = "sip:rescue@b.example"
RELEASE_13_GROUP = "sip:rel13@b.example"


async def run(output: Path, say: Say, seed: str | None = None) -> DemoReport:
    """Plays the story and leaves capture and key log in ``output``.

    :param say: is told each step.
    :param seed: for tests only: makes a run that can be repeated, and that protects nothing
        (:mod:`mcsec.lab.seeded`).
    """
    if seed is None:
        return await _play(output, say, DemoReport())
    say(WARNING)
    with fixed_randomness(seed):
        return await _play(output, say, DemoReport(seeded=True))


async def _play(output: Path, say: Say, report: DemoReport) -> DemoReport:
    started = time.monotonic()
    now = time.time()
    say("Two MC domains, each with a KMS of its own: a.example (listeners, bearer) and b.example (group)")
    async with AsyncExitStack() as stack:
        # Domains that end with the demo: their secrets go with the directory.
        home = Path(stack.enter_context(TemporaryDirectory(prefix="mcsec-demo-")))
        a = await stack.enter_async_context(lab_domain(home, "a.example", now))
        b = await stack.enter_async_context(lab_domain(home, "b.example", now))
        say("Servers and clients fetch their keys over HTTPS, each with its own access token")
        await a.kms.trust(b.kms, now)
        # B's GMS makes keys for members at home in A; A's server needs nothing of B.
        await b.kms.trust(a.kms, now)
        gms = await stack.enter_async_context(lab_gms(b.kms, [a.kms], now))
        signalling = await stack.enter_async_context(
            sip_signalling(a.kms, a.mdsi, [GROUP, RELEASE_13_GROUP], now)
        )
        groups = subchannels()
        control = groups[Traffic.SUBCHANNEL_CONTROL]
        plan = Plan("demo", Wish((AREA,)), control.address, control.port, frozenset({GROUP}))
        tls = a.kms.configuration.path("tls")
        bearer = await stack.enter_async_context(lab_bearer(tls, a.name, a.mdsi, signalling.server, plan))
        say(
            f"A's server activated bearer {bearer.active.tmgi} at A's BM-SC (MB2-C over TLS), with an MSCCK of its own"
        )
        air = await stack.enter_async_context(Air(bearer.active.tmgi, groups, bearer.send))
        stage = Stage(
            a,
            b,
            gms,
            signalling,
            air,
            report,
            say,
            group=GROUP,
            release_13_group=RELEASE_13_GROUP,
            talker=await b.add_client("talker", [], now),
            outsider=await a.add_client("outsider", [b], now),
            listeners=[
                await a.add_client(f"listener{number}", [b], now) for number in range(1, LISTENERS + 1)
            ],
            adversary=Adversary(await b.kms.master_keys(), b.kms.public, [a.kms.public]),
        )
        await air.overhear(stage.outsider, stage.group)
        await give_group_keys(stage)
        await give_signalling_keys(stage)
        await protected_broadcast(stage)
        await media_unread(stage)
        locked_out(stage)
        refusals(stage)
        await release_13(stage)
        await control_statement(stage)
        over_mb2(stage, bearer)
        finish(stage, output)
    report.seconds = time.monotonic() - started
    return report


def over_mb2(stage: Stage, bearer: LabBearer) -> None:
    """Every broadcast packet took the way over MB2-U and the BM-SC, which re-sent its octets as they came."""
    heard = [heard for heard in stage.air.tap if heard.traffic is not Traffic.UNICAST_FLOOR]
    sent, passed = stage.air.counts["bearer"], bearer.bmsc.counters["passed"]
    stage.report.claim(
        "bearer-over-mb2",
        "the bearer was activated over MB2-C with TLS, and every broadcast packet took the way over MB2-U, once",
        sent.packets == passed == len(heard) and sent.octets == sum(len(one.octets) for one in heard),
        f"TMGI {bearer.active.tmgi}, flow {bearer.active.flow}; {sent.packets} packets into MB2-U, "
        f"{passed} at the BM-SC, "
        f"{len(heard)} on the air, {sent.octets} octets of payload each way; the BM-SC has no key",
    )


def finish(stage: Stage, output: Path) -> None:
    """Table of evidence, traffic, capture and key log."""
    stage.report.keys += key_rows(stage.sent, stage.air.tap)
    stage.report.traffic |= {
        path: {"packets": count.packets, "octets": count.octets} for path, count in stage.air.counts.items()
    }
    output.mkdir(parents=True, exist_ok=True)
    stage.report.files |= {
        "capture": str(write_capture(output / "demo.pcapng", stage.air.tap)),
        "keylog": str(write_keylog(output / "demo.keylog", {one.key for one in stage.sent})),
    }
