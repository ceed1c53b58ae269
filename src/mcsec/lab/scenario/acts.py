"""The steps of a scenario."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from mcsec.client.audio import speech, wav
from mcsec.client.calls.events import FloorGranted, FloorIdle, FloorTaken
from mcsec.errors import LocalError
from mcsec.keys.key import Scope
from mcsec.keys.kinds import Traffic
from mcsec.lab.adversary import Adversary
from mcsec.lab.audio import compare
from mcsec.lab.in_call import all_in
from mcsec.lab.scenario import format as files
from mcsec.lab.scenario.people import Person, person, until
from mcsec.lab.scenario.site import BEARER
from mcsec.lab.scenario.stage import Stage

#: Frames may be on their way for this long after the last was sent.
_STRAGGLERS = 5.0
#: How many packets of subchannel control are attacked; they are alike, and there is one for each fifth of a second.
_ATTACKED = 40


async def play(stage: Stage, step: Any) -> None:
    """One step.

    :raises LocalError: something that it needs did not happen in time.
    """
    await _ACTS[type(step)](stage, step)


async def _log_on(stage: Stage, step: files.LogOn) -> None:
    groups = {
        who: [
            (stage.group_id(name), stage.sites[group.home])
            for name, group in stage.scenario.groups.items()
            if who in group.members
        ]
        for who in step.who
    }
    now = time.time()
    made = await asyncio.gather(*(person(who, stage.site_of(who), groups[who], now) for who in step.who))
    stage.people.update({one.name: one for one in made})
    await _listening(stage, made)
    stage.say(f"{', '.join(step.who)}: keys over HTTPS, registered and affiliated over SIP with TLS")


async def _listening(stage: Stage, people: list[Person]) -> None:
    """Who is in the reach of a bearer holds its keys, listens, and the server knows."""
    for one in people:
        if one.site.wish is not None:
            await until(
                f"{one.name} hears the bearer of {one.site.name}",
                partial(_hears, one),
            )


def _hears(one: Person) -> bool:
    place, uri = one.site, one.uri
    bearing = place.running.bearing
    engine = place.running.server.function.engine
    air = None if bearing is None else bearing.joint.on_air.get(BEARER)
    if air is None:
        return False
    mscck = engine.keydown.msccks.get(str(air.tmgi))
    if mscck is None or mscck.sending is None or not mscck.holds(uri):
        return False
    assert place.wish is not None
    musiks = [engine.keydown.musiks.get(group) for group in place.wish.musiks(one.client.groups)]
    given = [group for group, mkfc in place.wish.release_13.items() if mkfc]
    return not any(engine.refusal(group, time.time()) for group in given) and all(
        found is not None and found.sending is not None and found.audience.holds(uri, found.sending.key_id)
        for found in musiks
    )


async def _call(stage: Stage, step: files.CallStep | files.JoinStep) -> None:
    caller, group = stage.people[step.who], stage.group_id(step.group)
    if group not in caller.client.calls:
        chat = stage.scenario.groups[step.group].session == "chat"
        await caller.client.call(group, chat=chat)
    if isinstance(step, files.CallStep) and stage.scenario.groups[step.group].session == "prearranged":
        everybody = stage.members(step.group)
        await until("everybody is in the call", partial(_in_call, stage, group, everybody))
        stage.say(
            f"{step.who} calls {group}: {len(everybody)} clients of {len(stage.sites)} domains are in the call"
        )
    else:
        await until(f"{step.who} is in the call", partial(_in_call, stage, group, [caller]))
        stage.say(f"{step.who} is in the call of {group}")


def _in_call(stage: Stage, group: str, people: Iterable[Person]) -> bool:
    servers = (site.running.calls for site in stage.sites.values())
    return all_in(group, [one.client for one in people], servers)


async def _talk(stage: Stage, step: files.TalkStep) -> None:
    talker, group = stage.people[step.who], stage.group_id(step.group)
    said = wav.read(stage.beside / step.audio) if step.audio else speech.synthesise(step.seconds)
    hearers = [stage.people[name] for name in step.heard_by]
    for one in stage.people.values():
        one.listen()
    mark = {one.name: len(one.events) for one in stage.people.values()}
    await until("the floor is idle", lambda: not _held(stage, group))
    asked = time.time()
    frames = await talker.client.calls[group].talk(said, within=5.0)
    expected = 160 * frames
    # What is missing is found by the comparison, and said for each.
    with suppress(LocalError):
        await until(
            "all of it is heard", lambda: all(len(one.heard) >= expected for one in hearers), _STRAGGLERS
        )
    await until(
        "the floor is idle again",
        lambda: all(
            any(isinstance(event, FloorIdle) for event in one.events[mark[one.name] :]) for one in hearers
        ),
    )
    ways = {one.name: _way(one, group) for one in hearers}
    found = {one.name: compare(said, array("h", one.heard)) for one in hearers}
    others = [stage.people[name] for name in step.not_heard_by]
    wrong = [name for name, one in found.items() if not one.identical]
    wrong += [name for name in step.on_bearer if ways[name] != BEARER]
    wrong += [name for name in step.by_unicast if ways[name] == BEARER]
    wrong += [one.name for one in others if one.heard]
    stage.talks += 1
    on_bearer = sum(way == BEARER for way in ways.values())
    evidence = [f"{frames} frames said, {len(hearers)} clients recorded them sample for sample"]
    if wrong:
        evidence = [f"{name}: {found.get(name, 'heard it')} by {ways.get(name, 'nothing')}" for name in wrong]
    evidence.append(f"{on_bearer} of them by the bearer, {len(ways) - on_bearer} by unicast")
    if others:
        evidence.append(f"{', '.join(one.name for one in others)} understood nothing")
    stage.report.claim(
        f"talk-{stage.talks}-{step.who}",
        f"{step.who} talks for {len(said) / 8000:.1f} s, and who should hear it heard it as it was said",
        not wrong,
        "; ".join(evidence),
    )
    stage.say(f"{step.who} talks: heard by {len(hearers) - len(wrong)} of {len(hearers)}")
    _measure(stage, talker, hearers, asked, mark)


def _held(stage: Stage, group: str) -> bool:
    return any(
        site.running.calls.focuses[group].call.floor.talkers
        for site in stage.sites.values()
        if group in site.running.calls.focuses
    )


def _way(one: Person, group: str) -> str:
    serving = one.site.running.calls.servings.get(group)
    return (serving.call.bearer_of(one.uri) if serving is not None else None) or "unicast"


def _measure(stage: Stage, talker: Person, hearers: list[Person], asked: float, mark: dict[str, int]) -> None:
    granted = [event.now for event in talker.events[mark[talker.name] :] if isinstance(event, FloorGranted)]
    if not granted:
        return
    stage.took("floor request to granted", granted[0] - asked)
    for one in hearers:
        taken = [event.now for event in one.events[mark[one.name] :] if isinstance(event, FloorTaken)]
        if taken and one.site.wish is not None:
            stage.took("floor request to Taken on the bearer", taken[0] - asked)
        if one.first is not None:
            stage.took("mouth to ear", one.first - granted[0])


async def _remove(stage: Stage, step: files.RemoveStep) -> None:
    gone, group = stage.people[step.who], stage.group_id(step.group)
    home = stage.sites[stage.scenario.groups[step.group].home]
    # Between domains it is a call that tells who is no member any more. Where none goes on, an operator does.
    told = gone.site is home or group in gone.client.calls
    document = stage.documents[step.group]
    left = tuple(member for member in document.members if member.uri != gone.uri)
    stage.documents[step.group] = replace(document, members=left)
    await home.gms.change(stage.documents[step.group])
    stage.removed.add(step.who)
    for one in stage.members(step.group):
        await home.gms.give_keys(group, one.engine)
    server = gone.site.running.server
    if not told:
        await server.remove(group, [gone.uri])
    await until(
        f"{step.who} is taken off the group",
        lambda: (
            group not in gone.client.calls
            and gone.uri not in server.function.users.members([group])
            and not _holds(gone, group)
        ),
    )
    await _listening(stage, stage.members(step.group))
    stage.say(f"{step.who} is removed: the GMS makes a new GMK, {gone.site.name}'s server a new MuSiK")


async def _regroup(stage: Stage, step: files.RegroupStep) -> None:
    plan, group = stage.scenario.groups[step.group], stage.group_id(step.group)
    home = stage.sites[plan.home]
    await home.gms.regroup(group, [stage.group_id(name) for name in plan.of])
    await until(
        "the server at home has read of it", lambda: home.running.calls.directory.find(group) is not None
    )
    members = stage.members(step.group)
    for one in members:
        # The keys of a temporary group come with those of the groups that it is made of.
        for name in plan.of:
            if one.name in stage.scenario.members(name):
                await home.gms.give_keys(stage.group_id(name), one.engine)
        await one.client.affiliate([*one.client.groups, group])
    await _listening(stage, members)
    stage.say(f"{group} is made of {' and '.join(plan.of)}, for {len(members)} clients")


async def _tear_down(stage: Stage, step: files.TearDownStep) -> None:
    plan, group = stage.scenario.groups[step.group], stage.group_id(step.group)
    home = stage.sites[plan.home]
    await home.gms.remove(group)
    people = stage.people.values()
    await until(
        "the call of the temporary group is over",
        lambda: (
            home.running.calls.directory.find(group) is None
            and not any(group in one.client.calls for one in people)
        ),
    )
    stage.say(f"{group} is no more")


def _holds(one: Person, group: str) -> bool:
    """Whether what is sent on its domain's bearer is under a MuSiK that a person was given."""
    rotation = one.site.running.server.function.engine.keydown.musiks.get(group)
    if rotation is None or rotation.sending is None:
        return False
    return rotation.audience.holds(one.uri, rotation.sending.key_id)


async def _rotate(stage: Stage, step: files.RotateStep) -> None:
    place, group = stage.sites[step.domain], stage.group_id(step.group)
    rotation = place.running.server.function.engine.keydown.musiks[group]
    old = rotation.sending
    stage.seen |= set() if old is None else {old}
    await place.running.server.make_musik(Scope.of(group))
    await until("the new MuSiK is sent under", lambda: rotation.sending not in (None, old))
    await _listening(stage, [one for one in stage.members(step.group) if one.site is place])
    without = f", with {', '.join(sorted(stage.unreachable))} out of reach" if stage.unreachable else ""
    stage.say(f"{step.domain} makes its MuSiK of {group} anew{without}")


async def _restart(stage: Stage, step: files.RestartBmsc) -> None:
    place = stage.sites[step.domain]
    assert place.bmsc is not None
    bearing = place.running.bearing
    assert bearing is not None
    before = bearing.joint.on_air.get(BEARER)
    await place.bmsc.restart(keep_state=False, abruptly=True)
    await until("the loss is noticed", lambda: bearing.joint.on_air.get(BEARER) is not before)
    here = [one for one in stage.people.values() if one.site is place and one.name not in stage.removed]
    began = time.time()
    await _listening(stage, here)
    stage.took("BM-SC lost to everybody on the bearer again", time.time() - began)
    stage.say(f"The BM-SC of {step.domain} starts anew and knows nothing; the bearer is back by itself")


async def _unreachable(stage: Stage, step: files.Unreachable) -> None:
    await stage.sites[step.domain].offices.aclose()
    stage.unreachable.add(step.domain)
    stage.say(f"KMS and GMS of {step.domain} cannot be reached any more")


async def _leave(stage: Stage, step: files.LeaveStep) -> None:
    group = stage.group_id(step.group)
    call = stage.people[step.who].client.calls.get(group)
    if call is not None:
        await call.leave()
    stage.say(f"{step.who} leaves the call")


async def _end(stage: Stage, step: files.EndStep) -> None:
    group = stage.group_id(step.group)
    home = stage.sites[stage.scenario.groups[step.group].home]
    await home.running.calls.release(group, "the scenario ends it")
    await until(
        "nobody is in the call", lambda: not any(group in one.client.calls for one in stage.people.values())
    )
    stage.say(f"The call of {group} ends for everyone")


async def _adversary(stage: Stage, step: files.AdversaryStep) -> None:
    own = stage.sites[step.domain]
    others = [site for site in stage.sites.values() if site is not own]
    adversary = Adversary(await own.kms.master_keys(), own.kms.public, [site.kms.public for site in others])
    adversary.learn(own.gms.keys)
    for site in others:
        tap = stage.taps.get(site.name)
        if tap is None:
            continue
        control = tap.of(Traffic.SUBCHANNEL_CONTROL)
        packets = tap.of(Traffic.MBMS_FLOOR) + control[:: max(1, len(control) // _ATTACKED)]
        messages = [
            (message.receiver, message.octets)
            for one in stage.people.values()
            if one.site is site
            for message in one.engine.recorded
        ]
        attempt = await asyncio.to_thread(adversary.attack, packets, messages)
        stage.report.claim(
            f"adversary-{site.name}",
            f"whoever has every secret of {own.name} reads no signalling of {site.name}",
            not attempt.messages and bool(packets),
            str(attempt),
        )


_ACTS: dict[type, Callable[[Stage, Any], Awaitable[None]]] = {
    files.LogOn: _log_on,
    files.CallStep: _call,
    files.JoinStep: _call,
    files.TalkStep: _talk,
    files.RemoveStep: _remove,
    files.RegroupStep: _regroup,
    files.TearDownStep: _tear_down,
    files.RotateStep: _rotate,
    files.RestartBmsc: _restart,
    files.Unreachable: _unreachable,
    files.LeaveStep: _leave,
    files.EndStep: _end,
    files.AdversaryStep: _adversary,
}
