"""What calls cost a server: a floor event whoever listens, and many calls at a time in one process."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from multiprocessing.connection import Connection

from mcsec.errors import LocalError
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.policy import SenderKeys
from mcsec.keys.rotation import Rotation
from mcsec.lab.soak.users import peak_octets
from mcsec.net.media_ports import PortPool, make_room
from mcsec.server.calls.controlling import Entry, GroupCall
from mcsec.server.calls.groups import CallKind, Group
from mcsec.server.calls.participating import Broadcast, ServedCall, Tell
from mcsec.server.floor import ToAll, ToOne
from mcsec.server.indexes import MemoryIndexes
from mcsec.server.signalling import OnBearer, Signalling
from mcsec.wire.rtcp.floor import FloorMessage, FloorRelease, FloorRequest
from mcsec.wire.rtcp.subchannel import MbmsSubchannel

_DOMAIN, _BEARER = "bench.example", "bench"
_TMGI = Tmgi(0x00B002, "001", "01")
_CHANNEL = MbmsSubchannel(2, 3, IPv4Address("239.192.41.1"), 42010, 42012)
_MAKER = Maker(_DOMAIN, f"mcx.{_DOMAIN}")


def burst(listeners: int) -> Callable[[], None]:
    """One talk burst in a call with so many users who listen on a bearer: request, Granted, Taken, release, Idle.

    Both functions decide, and what goes out is protected: two messages on the bearer, one by unicast.
    """
    now = time.time()
    names = [f"sip:u{number}@{_DOMAIN}" for number in range(listeners)]
    talker, group = names[0], f"sip:group@{_DOMAIN}"
    musik = make(PurposeTag.MUSIK, scope=DEFAULT, maker=_MAKER, now=now)
    rotation = Rotation(PurposeTag.MUSIK, DEFAULT)
    for name in names:
        rotation.admit(name)
        rotation.listen(name, now)
    rotation.offer(musik, now)
    for name in names:
        rotation.held(name, musik.key_id, now)
    rotation.poll(now + 1)
    csk = _csk(talker, now)
    signalling = Signalling(SenderKeys(_DOMAIN, musiks={None: rotation}, csks={talker: csk}), MemoryIndexes())
    call = GroupCall(
        Group(group_id=group, home=_DOMAIN, kind=CallKind.CHAT, everybody=True, hang_time=80_000.0),
        talker,
        Entry(ssrc=1),
    )
    served = ServedCall(group, assign=lambda bearer: _CHANNEL)
    served.bearer_up(_BEARER, _TMGI, now)
    call.begin(now)
    for number, name in enumerate(names):
        if number:
            call.join(name, Entry(ssrc=number + 1), now)
        served.enter(name, now)
        served.listens(name, _BEARER, True, now)
    clock = [now + 2]

    def say(message: FloorMessage) -> int:
        count = 0
        for output in call.receive(talker, message, clock[0]):
            if isinstance(output, ToAll):
                count += _send(
                    served.down(output.message, clock[0], but=output.but), signalling, group, clock[0]
                )
            elif isinstance(output, ToOne):
                count += _send(
                    served.down(output.message, clock[0], user=output.participant),
                    signalling,
                    group,
                    clock[0],
                )
        return count

    def once() -> None:
        # Less than T7, so that no timer of the floor comes between.
        clock[0] += 0.001
        sent = say(FloorRequest(ssrc=1)) + say(FloorRelease(ssrc=1))
        if sent < 3:
            raise LocalError("a burst said too little", code="bench.burst")

    # The first word maps the call.
    say(FloorRequest(ssrc=1))
    for name in names:
        served.listens(name, _BEARER, True, clock[0])
    say(FloorRelease(ssrc=1))
    return once


def _send(outputs: object, signalling: Signalling, group: str, now: float) -> int:
    count = 0
    assert isinstance(outputs, list)
    for output in outputs:
        if isinstance(output, Broadcast):
            sent = signalling.floor(str(_TMGI), group, output.message, output.heard, now)
            count += sum(isinstance(one, OnBearer) for one in sent)
        elif isinstance(output, Tell):
            for user in output.users:
                signalling.to_client(user, output.message, now)
                count += 1
    return count


@dataclass(frozen=True, slots=True)
class Calls:
    """Many calls in one process: ``mib`` of memory at most, and seconds of one core for a talk burst in one of them."""

    mib: float
    burst: float


def many(calls: int, members: int) -> Calls:
    """``calls`` calls of ``members`` each, all on unicast, with the ports of their legs: in a process of its own.

    :raises LocalError: it did not come so far.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_many, args=(theirs, calls, members))
    child.start()
    theirs.close()
    try:
        if not ours.poll(300):
            raise LocalError("the process with the calls did not answer", code="bench.process")
        mib, seconds = ours.recv()
    except EOFError:
        raise LocalError("the process with the calls ended", code="bench.process") from None
    finally:
        child.join(10)
        if child.is_alive():
            child.kill()
    return Calls(mib, seconds)


def _many(pipe: Connection, calls: int, members: int) -> None:
    asyncio.run(_run(pipe, calls, members))


async def _run(pipe: Connection, calls: int, members: int) -> None:
    now = time.time()
    csks: dict[str, Key] = {}
    signalling = Signalling(SenderKeys(_DOMAIN, csks=csks), MemoryIndexes())
    # A floor port for each call, a media port for each leg.
    room = make_room((calls * (members + 1) + 1) // 2)
    if room * 2 < calls * (members + 1):
        raise LocalError("too few files may be open", code="bench.files", hint="raise RLIMIT_NOFILE")
    pool = PortPool()
    ports = [pool.open_one(_deaf) for _ in range(calls * (members + 1))]
    made: list[tuple[GroupCall, ServedCall]] = []
    for number in range(calls):
        group = f"sip:group{number}@{_DOMAIN}"
        users = [f"sip:g{number}u{one}@{_DOMAIN}" for one in range(members)]
        call = GroupCall(
            Group(group_id=group, home=_DOMAIN, kind=CallKind.CHAT, everybody=True, hang_time=80_000.0),
            users[0],
            Entry(ssrc=1),
        )
        served = ServedCall(group)
        call.begin(now)
        for one, user in enumerate(users):
            csks[user] = _csk(user, now)
            if one:
                call.join(user, Entry(ssrc=one + 1), now)
            served.enter(user, now)
        made.append((call, served))
    for traffic in (True, False):
        # The first round draws SSRCs and makes contexts; the second is what counts.
        began = time.process_time()
        for call, served in made:
            _burst(call, served, signalling, now + (1 if traffic else 2))
        seconds = (time.process_time() - began) / calls
    for port in ports:
        port.close()
    pipe.send((peak_octets() / (1 << 20), seconds))


def _burst(call: GroupCall, served: ServedCall, signalling: Signalling, now: float) -> None:
    talker = call.caller
    for message in (FloorRequest(ssrc=1), FloorRelease(ssrc=1)):
        for output in call.receive(talker, message, now):
            if isinstance(output, ToAll):
                _send(served.down(output.message, now, but=output.but), signalling, served.group, now)
            elif isinstance(output, ToOne):
                _send(
                    served.down(output.message, now, user=output.participant), signalling, served.group, now
                )


def _csk(user: str, now: float) -> Key:
    return make(PurposeTag.CSK, scope=Scope.of(user), maker=Maker(_DOMAIN, user), now=now)


def _deaf(octets: bytes, source: tuple[str, int]) -> None:
    return None
