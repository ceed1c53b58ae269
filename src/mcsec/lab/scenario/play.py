"""Plays a scenario: domains that run, clients that call and talk, and what is claimed of it.

Everything goes over real protocols on loopback: HTTPS to KMS and GMS, SIP over TLS between clients and servers and
between servers, Diameter over TLS and MB2-U to the BM-SC, SRTP and SRTCP between clients and servers and on the bearer.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

from mcsec.errors import LocalError
from mcsec.ids import PurposeTag
from mcsec.keys.key import Key
from mcsec.lab.claims import DemoReport
from mcsec.lab.evidence import write_capture, write_keylog
from mcsec.lab.ports import free_port
from mcsec.lab.scenario import acts, closing
from mcsec.lab.scenario import format as files
from mcsec.lab.scenario.air import Tap
from mcsec.lab.scenario.site import BearerWish, kms_site, serve, site, spk_between
from mcsec.lab.scenario.stage import Stage
from mcsec.lab.stage import Say


async def play(scenario: files.Scenario, beside: Path, output: Path, say: Say) -> DemoReport:
    """Plays a scenario and leaves capture and key log in ``output``.

    :param beside: the directory of the scenario's file, where its audio files are. :param say: is told each step.
    :raises LocalError: it could not be played to the end.
    """
    report = DemoReport()
    started = time.monotonic()
    say(scenario.title)
    async with AsyncExitStack() as stack:
        # Domains that end with the story: their secrets go with the directory.
        home = Path(stack.enter_context(TemporaryDirectory(prefix="mcsec-lab-")))
        stage = await stack.enter_async_context(_stage(scenario, home, beside, report, say))
        for number, step in enumerate(scenario.steps, 1):
            try:
                await acts.play(stage, step)
            except LocalError as error:
                raise LocalError(f"steps[{number}] ({step.do}): {error}", code="lab.scenario") from error
        closing.close(stage)
        report.files |= _keep(stage, output)
    report.seconds = time.monotonic() - started
    report.claim(
        "in-time",
        f"all of it took less than {scenario.within:.0f} s",
        report.seconds <= scenario.within,
        f"{report.seconds:.1f} s",
    )
    return report


@asynccontextmanager
async def _stage(
    scenario: files.Scenario, home: Path, beside: Path, report: DemoReport, say: Say
) -> AsyncIterator[Stage]:
    """The domains of a scenario, running."""
    now = time.time()
    names = list(scenario.domains)
    async with AsyncExitStack() as stack:
        offices = {name: await stack.enter_async_context(kms_site(home, name, now)) for name in names}
        kms = {name: office for name, (office, _) in offices.items()}
        for name in names:
            for other in names:
                if other != name:
                    await kms[name].trust(kms[other], now)
        say(f"{len(names)} MC domains, each with KMS, GMS and MCX server of its own: {', '.join(names)}")
        sites = {
            name: await stack.enter_async_context(
                site(
                    kms[name],
                    offices[name][1],
                    [kms[other] for other in names if other != name],
                    _wish(scenario, name),
                    now,
                )
            )
            for name in names
        }
        stage = Stage(scenario, sites, beside, report, say)
        for name, place in sites.items():
            if place.wish is not None:
                stage.taps[name] = Tap(place.wish)
                stack.enter_context(stage.taps[name].listening())
        for name, group in scenario.groups.items():
            if group.of:
                continue
            stage.documents[name] = await sites[group.home].gms.make_group(
                stage.group_id(name),
                stage.uris(name),
                multicast_floor=group.release_13,
            )
            if group.release_13 and group.mkfc:
                await sites[group.home].gms.release_13(stage.group_id(name))
        await _servers(stack, stage)
        yield stage


async def _servers(stack: AsyncExitStack, stage: Stage) -> None:
    """Every domain's server, a partner of every other."""
    names = list(stage.sites)
    ports = {name: free_port() for name in names}
    spks: dict[str, list[Key]] = {name: [] for name in names}
    for at, one in enumerate(names):
        for other in names[at + 1 :]:
            ours, theirs = spk_between(one, other, time.time())
            spks[one].append(ours)
            spks[other].append(theirs)
    for name, place in stage.sites.items():
        partners = {stage.sites[other]: ports[other] for other in names if other != name}
        await stack.enter_async_context(
            serve(place, ports[name], stage.directory(name), partners, spks[name], stage.note)
        )


def _wish(scenario: files.Scenario, domain: str) -> BearerWish | None:
    plan = scenario.domains[domain].bearer
    if plan is None:
        return None
    # A fresh address and ports, so that two runs on one machine do not hear one another. The ports are below those
    # that the system gives out by itself.
    address = IPv4Address("239.192.0.0") + secrets.randbits(18)
    port = 20_000 + 8 * secrets.randbelow(1_500)
    named = {f"sip:{name}@{scenario.groups[name].home}": scenario.groups[name] for name in plan.groups}
    old = {group: found.mkfc for group, found in named.items() if found.release_13}
    temporary = frozenset(group for group, found in named.items() if found.of)
    return BearerWish(tuple(plan.areas), tuple(named), plan.listeners, address, port, old, temporary)


def _keep(stage: Stage, output: Path) -> dict[str, str]:
    """Capture and key log, as files."""
    output.mkdir(parents=True, exist_ok=True)
    heard = sorted((one for tap in stage.taps.values() for one in tap.heard), key=lambda one: one.time)
    held = {key for person in stage.people.values() for key in person.engine.keyring.keys} | stage.seen
    # Media keys stay with those who talk; what the log opens is the signalling.
    keys = {key for key in held if key.key_id.tag is not PurposeTag.GMK}
    return {
        "scenario capture": str(write_capture(output / "scenario.pcapng", heard)),
        "scenario keylog": str(write_keylog(output / "scenario.keylog", keys)),
    }
