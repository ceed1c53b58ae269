"""What the acts of the demo's story share: two domains, the air between them, and what was seen so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from mcsec.client.engine import ClientEngine
from mcsec.client.events import FloorHeard, GroupMapped
from mcsec.keys.kinds import Traffic
from mcsec.lab.adversary import Adversary, Attempt
from mcsec.lab.air import Air
from mcsec.lab.claims import DemoReport
from mcsec.lab.domain import Domain
from mcsec.lab.gms import LabGms
from mcsec.lab.signalling import SipSignalling
from mcsec.lab.watched import WatchedClient
from mcsec.server.engine import ServerEngine
from mcsec.server.signalling import OnBearer, Sent, ToClient
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken

Say = Callable[[str], None]


@dataclass
class Stage:
    """Everything the acts of the story share.

    ``gms`` is B's; ``signalling`` is A's server and the way to its clients; ``sent`` is everything that it sent
    protected; ``adversary`` holds everything that domain B keeps secret.
    """

    a: Domain
    b: Domain
    gms: LabGms
    signalling: SipSignalling
    air: Air
    report: DemoReport
    say: Say
    group: str
    release_13_group: str
    talker: WatchedClient
    outsider: WatchedClient
    listeners: list[WatchedClient]
    adversary: Adversary
    sent: list[OnBearer | ToClient] = field(default_factory=list)

    @property
    def groups(self) -> list[str]:
        """What A's listeners affiliate to."""
        return [self.group, self.release_13_group]

    @property
    def server(self) -> ServerEngine:
        """What A's server decides by."""
        return self.signalling.engine

    @property
    def key_messages(self) -> list[tuple[str, bytes]]:
        """All I_MESSAGEs that passed between A's clients and anybody, with the URI of the receiver."""
        return [
            (message.receiver, message.octets)
            for client in [*self.listeners, self.outsider]
            for message in client.recorded
        ]

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
        self.adversary.learn(self.gms.keys)
        return self.adversary.attack(packets, self.key_messages)


async def broadcast_floor(stage: Stage, group: str) -> list[Sent]:
    """Floor Taken and Floor Idle of ``group`` to its listeners, as policy decides."""
    server, air = stage.server, stage.air
    ssrc = server.ssrc(Traffic.MBMS_FLOOR, air.tmgi)
    taken = FloorTaken(ssrc=ssrc, permission=True, sequence_number=1, granted_party=stage.talker.uri)
    idle = FloorIdle(ssrc=ssrc, sequence_number=2)
    sent: list[Sent] = []
    for message in (taken, idle):
        sent += air.send(
            await stage.signalling.send(partial(server.floor, air.tmgi, group, message)), Traffic.MBMS_FLOOR
        )
    stage.sent += [one for one in sent if isinstance(one, OnBearer | ToClient)]
    return sent
