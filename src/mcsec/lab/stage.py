"""What the acts of the demo's story share: two domains, the air between them, and what was seen so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mcsec.client.engine import Carrier, ClientEngine
from mcsec.client.events import FloorHeard, GroupMapped
from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.keys.kinds import Traffic
from mcsec.lab.adversary import Adversary, Attempt
from mcsec.lab.air import Air
from mcsec.lab.claims import DemoReport
from mcsec.lab.domain import Domain
from mcsec.server.keydown import Download
from mcsec.server.signalling import OnBearer, Sent, ToClient
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken

Say = Callable[[str], None]


@dataclass
class Stage:
    """Everything the acts of the story share.

    ``key_messages`` are all I_MESSAGEs that passed in A, with the URI of the receiver; ``sent`` is everything that A's
    server sent protected; ``adversary`` holds everything that domain B keeps secret.
    """

    a: Domain
    b: Domain
    air: Air
    report: DemoReport
    say: Say
    group: str
    talker: ClientEngine
    outsider: ClientEngine
    listeners: list[ClientEngine]
    adversary: Adversary
    key_messages: list[tuple[str, bytes]] = field(default_factory=list)
    musik_downloads: dict[str, bytes] = field(default_factory=dict)
    sent: list[OnBearer | ToClient] = field(default_factory=list)

    def fresh(self, traffic: Traffic) -> list[bytes]:
        """What the tap recorded of one class of traffic."""
        return [heard.octets for heard in self.air.tap if heard.traffic is traffic]

    def on_air(self) -> list[bytes]:
        """The signalling that the tap recorded on the bearer."""
        return self.fresh(Traffic.SUBCHANNEL_CONTROL) + self.fresh(Traffic.MBMS_FLOOR)

    def signalling_heard(self, client: ClientEngine) -> list[FloorHeard | GroupMapped]:
        """The control messages that ``client`` could read."""
        return [event for event in self.air.heard(client.uri) if isinstance(event, FloorHeard | GroupMapped)]

    def attack(self, packets: Sequence[bytes]) -> Attempt:
        """The adversary, with every key that B's GMS made so far, on ``packets`` and all I_MESSAGEs of A."""
        self.adversary.learn(self.b.gms.keys)
        return self.adversary.attack(packets, self.key_messages)


def deliver(stage: Stage, download: Download, now: float) -> None:
    """Carries one download to its client and the answer back."""
    stage.key_messages.append((download.client, download.message))
    client = stage.a.clients[download.client]
    mscck = download.key_id.tag is PurposeTag.MSCCK
    if not mscck:
        stage.musik_downloads[download.client] = download.message
    try:
        client.key_message(
            download.message,
            Carrier.ANNOUNCEMENT if mscck else Carrier.KEY_DOWNLOAD,
            now,
            bearer=stage.air.tmgi if mscck else None,
        )
    except PeerError as error:
        stage.a.server.answered(download, now, error.code)
    else:
        stage.a.server.answered(download, now)


def broadcast_floor(stage: Stage, group: str, now: float) -> list[Sent]:
    """Floor Taken and Floor Idle of ``group`` to its listeners, as policy decides."""
    server, air = stage.a.server, stage.air
    ssrc = server.ssrc(Traffic.MBMS_FLOOR, air.tmgi)
    taken = FloorTaken(ssrc=ssrc, permission=True, sequence_number=1, granted_party=stage.talker.uri)
    idle = FloorIdle(ssrc=ssrc, sequence_number=2)
    sent: list[Sent] = []
    for message in (taken, idle):
        sent += air.send(server.floor(air.tmgi, group, message, now), Traffic.MBMS_FLOOR)
    stage.sent += [one for one in sent if isinstance(one, OnBearer | ToClient)]
    return sent
