"""The Release 13 way, for comparison: this is the key issue, shown."""

from __future__ import annotations

import time

from mcsec.client.events import FloorHeard
from mcsec.ids import PurposeTag
from mcsec.keys.audit import state_control
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import ChainBroken, verify
from mcsec.lab.stage import Stage, broadcast_floor
from mcsec.server.engine import Partner
from mcsec.server.signalling import OnBearer, ToClient
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken


async def release_13(stage: Stage) -> None:
    """The Release 13 way: without B's MKFC no broadcast; with it, B reads along."""
    stage.say("The Release 13 way, for comparison: a second group, without and then with an MKFC from B")
    group, server, air = stage.release_13_group, stage.server, stage.air
    server.release_13_mode(group, Partner(stage.b.gms_uri, stage.b.name, stage.b.kms.public))
    await stage.signalling.unmap(stage.group, stage.listeners, air)
    await stage.signalling.map(group, stage.listeners, air)

    def heard_floor() -> int:
        return sum(
            {
                type(event.message)
                for event in air.heard(client.uri)
                if isinstance(event, FloorHeard) and event.group in (group, client.uri)
            }
            >= {FloorTaken, FloorIdle}
            for client in stage.listeners
        )

    before = len(stage.fresh(Traffic.MBMS_FLOOR))
    sent = await broadcast_floor(stage, group)
    served = await air.until(lambda: heard_floor() == len(stage.listeners))
    unicast = [one for one in sent if isinstance(one, ToClient)]
    stage.report.claim(
        "release13-without-mkfc-refuses",
        "without B's MKFC the Release 13 way sends nothing on the bearer and serves by unicast under CSK",
        served
        and not any(isinstance(one, OnBearer) for one in sent)
        and len(stage.fresh(Traffic.MBMS_FLOOR)) == before
        and {one.key.key_id.tag for one in unicast} == {PurposeTag.CSK},
        f"{len(stage.fresh(Traffic.MBMS_FLOOR)) - before} packets on the bearer, {len(unicast)} by unicast; "
        f"{heard_floor()} of {len(stage.listeners)} listeners served",
    )
    stage.say("B's GMS now gives its MKFC to A's server and clients")
    await stage.gms.make_group(group, [client.uri for client in stage.listeners], multicast_floor=True)
    await stage.gms.release_13(group)
    server.mkfc_message(group, await stage.gms.mkfc(group, stage.a.mdsi), time.time())
    for client in stage.listeners:
        client.groups[group] = stage.b.gms_party
        await stage.gms.give_keys(group, client)
        air.heard(client.uri).clear()
    before = len(stage.fresh(Traffic.MBMS_FLOOR))
    await broadcast_floor(stage, group)
    await air.until(
        lambda: heard_floor() == len(stage.listeners) and len(stage.fresh(Traffic.MBMS_FLOOR)) == before + 2
    )
    attempt = stage.attack(stage.fresh(Traffic.MBMS_FLOOR)[before:])
    read = sorted(type(message).__name__ for message in attempt.messages)
    stage.report.claim(
        "release13-foreign-mkfc-leaks",
        "with B's MKFC the broadcast works, and the same adversary now reads the floor control: the key issue",
        heard_floor() == len(stage.listeners) and read == ["FloorIdle", "FloorTaken"],
        f"{heard_floor()} of {len(stage.listeners)} listeners decoded it; "
        f"the adversary read {', '.join(read) or 'nothing'}",
    )


async def control_statement(stage: Stage) -> None:
    """What the provenance of A's server proves, with and without the Release 13 group."""
    records = await stage.signalling.records()
    broken = ""
    try:
        verify(records, stage.a.name)
    except ChainBroken as error:
        broken = str(error)
    foreign = state_control(records, stage.a.name).foreign
    own = state_control(
        [record for record in records if record.key_id not in {use.key_id for use in foreign}], stage.a.name
    )
    kinds = sorted({use.kind.label for use in foreign})
    stage.report.claim(
        "own-key-only",
        "every key that protected the group's signalling on A's bearer was made by A's server (MCSEC-1.X-1)",
        not broken and own.holds and kinds == [PurposeTag.MKFC.label],
        f"{len(records)} chained records, {broken or 'verified'}: {len(own.uses)} uses of own keys; "
        f"from outside: {', '.join(kinds) or 'none'}, for the Release 13 group",
    )
