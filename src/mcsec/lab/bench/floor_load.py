"""What a floor event costs a server, whoever listens."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address

from mcsec.errors import LocalError
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.policy import SenderKeys
from mcsec.keys.rotation import Rotation
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


def _csk(user: str, now: float) -> Key:
    return make(PurposeTag.CSK, scope=Scope.of(user), maker=Maker(_DOMAIN, user), now=now)
