"""Release 13 mode in calls: without an MKFC of the group's GMS nothing is broadcast, and a MuSiK needs none."""

from __future__ import annotations

import time

from mcsec.keys.events import BroadcastRefused
from mcsec.keys.key import Scope
from mcsec.server.calls.participating import Broadcast, ServedCall, Tell
from mcsec.server.engine import Partner, ServerEngine
from support.call_domains import identity
from support.calls import ANN, CHANNEL, GROUP, TMGI, of_kind, taken
from support.domains import kms


def test_a_call_goes_on_the_bearer_when_there_is_a_key_for_it() -> None:
    found, now = identity("a.example"), time.time()
    engine = ServerEngine("a.example", found.initiator, found.clients, found.receiver)
    call = ServedCall(
        GROUP,
        assign=lambda bearer: CHANNEL,
        refusal=lambda at: engine.refusal(GROUP, at),
    )
    call.enter(ANN, now)
    call.bearer_up("north", TMGI, now)
    call.hears(ANN, "north", True, now)
    assert of_kind(call.down(taken(1), now), Broadcast) == []
    # The operator allows an MKFC, and none came: by unicast still.
    gms = Partner("sip:gms.b.example", "b.example", kms("kms.b.example").public)
    engine.release_13_mode(GROUP, gms)
    out = call.down(taken(2), now)
    assert of_kind(out, Broadcast) == []
    assert [one.code for one in of_kind(out, BroadcastRefused)] == ["policy.no-mkfc"]
    assert of_kind(out, Tell) == [Tell(frozenset({ANN}), taken(2))]
    engine.make_musik(Scope.of(GROUP), [ANN], now)
    engine.poll(now + 60)
    assert len(of_kind(call.down(taken(3), now + 60), Broadcast)) == 1
