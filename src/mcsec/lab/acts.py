"""The protected broadcast, media that passes unread, and everyone who must not read along."""

from __future__ import annotations

import time
from collections.abc import Sequence

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.client.events import FloorHeard, GroupMapped, MediaHeard
from mcsec.client.media import MediaSender
from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.keys.events import Event
from mcsec.keys.kinds import Traffic
from mcsec.lab.stage import Stage, broadcast_floor
from mcsec.server.signalling import OnBearer
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken

FRAMES = 5
PCMU = 0


async def protected_broadcast(stage: Stage) -> None:
    """Map Group To Bearer under MSCCK, then Floor Taken and Floor Idle under MuSiK, once for everyone."""
    stage.say("A's server maps the group to the bearer (MSCCK) and signals Floor Taken, Floor Idle (MuSiK)")
    air, outsider = stage.air, stage.outsider
    before = len(stage.on_air())
    sent = await stage.signalling.map(stage.group, stage.listeners, air)
    stage.sent += [one for one in sent if isinstance(one, OnBearer)]
    sent += await broadcast_floor(stage, stage.group)
    on_bearer = [one for one in sent if isinstance(one, OnBearer)]
    await air.until(
        lambda: (
            all(understood(air.heard(client.uri)) for client in stage.listeners)
            and len(stage.on_air()) == before + len(on_bearer)
            and outsider.dropped.total() + len(stage.signalling_heard(outsider)) == len(stage.on_air())
        )
    )
    reached = sum(understood(air.heard(client.uri)) for client in stage.listeners)
    stage.report.claim(
        "broadcast-decoded",
        "every listener decodes Map Group To Bearer, Floor Taken and Floor Idle from the bearer",
        reached == len(stage.listeners) and len(on_bearer) == len(sent) == 3,
        f"{reached} of {len(stage.listeners)} listeners decoded {len(on_bearer)} packets, each sent once",
    )


def understood(heard: Sequence[Event]) -> bool:
    """Whether Map, Taken and Idle are among what was heard."""
    floor = {type(event.message) for event in heard if isinstance(event, FloorHeard)}
    return any(isinstance(event, GroupMapped) for event in heard) and floor >= {FloorTaken, FloorIdle}


async def media_unread(stage: Stage) -> None:
    """Media under B's GMK passes A's server octet for octet; a flipped bit arrives flipped."""
    stage.say("A talker of B sends speech under the GMK; A's server forwards it unread")
    server, air, now = stage.server, stage.air, time.time()
    gmk = stage.talker.keyring.current(Traffic.GROUP_MEDIA, stage.group, now)
    stream = MediaSender(gmk, stage.talker.uri, PCMU)
    spoken, on_wire = [], []
    for frame in range(FRAMES):
        rtp, protected = stream.packet(bytes((0xFF - frame,)) * 160, 160 * frame)
        spoken.append(rtp)
        on_wire.append(protected.octets)
    flipped = bytearray(stream.packet(bytes(160), 160 * FRAMES)[1].octets)
    flipped[40] ^= 0x01
    on_wire.append(bytes(flipped))
    for octets in on_wire:
        air.broadcast(server.forward(stage.group, octets, stream.mki_octets, now), Traffic.GROUP_MEDIA)

    def played(client: ClientEngine) -> list[bytes]:
        return [event.rtp for event in air.heard(client.uri) if isinstance(event, MediaHeard)]

    def arrived() -> bool:
        return len(stage.fresh(Traffic.GROUP_MEDIA)) == len(on_wire) and all(
            client.dropped["peer.check-failed"] for client in stage.listeners
        )

    complete = await air.until(arrived)
    same = stage.fresh(Traffic.GROUP_MEDIA) == on_wire
    decoded = sum(played(client) == spoken for client in stage.listeners)
    stage.report.claim(
        "media-untouched",
        "media under B's GMK passes A's server octet for octet and is decoded by clients only",
        complete and same and decoded == len(stage.listeners) and PurposeTag.GMK not in server.kinds_held,
        f"{len(on_wire)} packets out as they came in, one with a flipped bit that arrived flipped and was rejected; "
        f"{decoded} of {len(stage.listeners)} clients decoded the other {FRAMES}; keys of A's server: "
        + ", ".join(sorted(kind.label for kind in server.kinds_held)),
    )


def locked_out(stage: Stage) -> None:
    """Who was not given A's keys hears no signalling, whatever else it holds."""
    outsider, on_air = stage.outsider, stage.on_air()
    stage.say("A client of A without the key, and an adversary with every secret of B, try to listen")
    read = stage.signalling_heard(outsider)
    stage.report.claim(
        "outsider-locked-out",
        "a client of A that was not given the key reads no signalling",
        not read and outsider.dropped["keyring.unknown"] == len(on_air) > 0,
        f"{outsider.dropped['keyring.unknown'] + len(read)} packets received, {len(read)} read; it holds the GMK and "
        f"hears media: {sum(isinstance(event, MediaHeard) for event in stage.air.heard(outsider.uri))} frames",
    )
    attempt = stage.attack(on_air)
    stage.report.claim(
        "adversary-locked-out",
        "all secrets of B's KMS and GMS, with every packet and I_MESSAGE of A, open nothing",
        attempt.packets > 0 and attempt.key_messages > 0 and not attempt.keys_opened and not attempt.messages,
        str(attempt),
    )


def refusals(stage: Stage) -> None:
    """Tampered, replayed and wrong-domain key downloads are refused, and change nothing."""
    stage.say("Key downloads that are tampered with, replayed, or from the wrong domain are refused")
    client, now = stage.listeners[0], time.time()
    genuine = client.musik_download
    tampered = bytearray(genuine)
    tampered[-200] ^= 0x01
    foreign = stage.adversary.forge(stage.a.mdsi, client.uri, stage.a.kms.public, stage.group, now)
    cases = {
        "tampered-refused": ("a key download with one bit changed", bytes(tampered), "mikey.signature"),
        "replayed-refused": ("a key download sent again", genuine, "mikey.replayed"),
        "wrong-domain-refused": (
            "a key download signed under B's KMS in the name of A's server",
            foreign,
            "mikey.wrong-kms",
        ),
    }
    for name, (what, octets, expected) in cases.items():
        before = client.keyring.keys
        code = refusal_code(client, octets, now)
        stage.report.claim(
            name,
            f"{what} is refused",
            code == expected and client.keyring.keys == before,
            f"refused with {code}",
        )


def refusal_code(client: ClientEngine, octets: bytes, now: float) -> str:
    """The code with which ``client`` refuses a key download; "accepted" if it does not."""
    try:
        client.key_message(octets, Carrier.KEY_DOWNLOAD, now)
    except PeerError as error:
        return error.code
    return "accepted"
