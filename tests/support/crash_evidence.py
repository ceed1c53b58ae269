"""What captures and the store say after crashes: indexes used once, nothing in clear, nothing acknowledged lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mcsec.crypto.srtp import SrtcpReceiver, SrtpProfile
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.keys.lifecycle import KeyState
from mcsec.keys.records import Happening, Record, decode
from mcsec.store.config import load as store_of
from mcsec.store.database import Database
from mcsec.store.server_load import ServerState, load, records
from support.crash_domain import CrashDomain

_CONTROL = (Traffic.SUBCHANNEL_CONTROL, Traffic.MBMS_FLOOR)
_ENCRYPTED = 1 << 31


@dataclass
class Captures:
    """Everything that the server sent, looked at once.

    :ivar indexes: (key, SSRC, SRTCP index) of every packet. :ivar opened: how many packets opened under the key that
        they name; ``unknown``: how many name a key that no client ever had.
    """

    domain: CrashDomain
    indexes: dict[tuple[KeyId, int, int], bytes] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    opened: int = 0
    unknown: int = 0
    media: int = 0
    _air: int = 0
    _unicast: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        """Look at what came since the last look.

        :raises AssertionError: something that must never be sent.
        """
        keys = self._keys()
        heard = self.domain.tap.heard
        for one in heard[self._air :]:
            if one.traffic in _CONTROL:
                self._control(one.octets, keys, {PurposeTag.MUSIK, PurposeTag.MSCCK})
            else:
                assert KeyId.decode(one.octets[-8:-4]).tag is PurposeTag.GMK, "media under no GMK"
                self.media += 1
        self._air = len(heard)
        for user in self.domain.users:
            for octets in user.engine.unicast[self._unicast.get(user.uri, 0) :]:
                self._control(octets, keys, {PurposeTag.CSK})
            self._unicast[user.uri] = len(user.engine.unicast)

    def _control(self, octets: bytes, keys: dict[KeyId, Key], tags: set[PurposeTag]) -> None:
        key_id, word = KeyId.decode(octets[-4:]), int.from_bytes(octets[-8:-4])
        assert key_id.tag in tags, f"a packet under a {key_id.tag.name}"
        assert word & _ENCRYPTED, "a packet in clear"
        assert octets[8:12] not in (b"MCPT", b"MCMC", b"MCPC", b"MCNC"), "a packet in clear"
        assert str(key_id) not in self.revoked, f"{key_id} was revoked before the server was killed"
        place = (key_id, int.from_bytes(octets[4:8]), word & ~_ENCRYPTED)
        assert place not in self.indexes, f"used twice: key {key_id}, SSRC {place[1]:08x}, index {place[2]}"
        self.indexes[place] = octets
        if key_id not in keys:
            self.unknown += 1
            return
        # A receiver of its own for each packet: it is about the key, not about the order.
        receiver = SrtcpReceiver(SrtpProfile.AEAD_AES_128_GCM)
        receiver.add_key(*keys[key_id].srtp_material())
        receiver.unprotect(octets)
        self.opened += 1

    def _keys(self) -> dict[KeyId, Key]:
        found: dict[KeyId, Key] = {}
        for user in self.domain.users:
            for key in user.engine.seen:
                other = found.setdefault(key.key_id, key)
                same = (other.secret, other.rand) == (key.secret, key.rand)
                assert same, f"two keys are called {key.key_id}"
        return found


@dataclass
class Acknowledged:
    """What the server acknowledged to its operator: keys that it said it made, and revoked."""

    made: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)


async def look_at_store(config: Path) -> tuple[ServerState, list[Record]]:
    """The store of a server that was killed, and every record of its provenance."""
    found = store_of(config)
    database = await Database.open(found.address, found.kek(), read_only=True)
    try:
        state = await load(database)
        lines: list[str] = []
        async with database.read() as connection:
            while more := await records(connection, len(lines)):
                lines += more
    finally:
        await database.close()
    return state, [decode(line) for line in lines]


def nothing_is_lost(
    domain: CrashDomain, acknowledged: Acknowledged, state: ServerState, lines: list[Record]
) -> None:
    """Whatever was acknowledged is in the store.

    :raises AssertionError: something is not.
    """
    made = [str(record.key_id) for record in lines if record.happening is Happening.MADE]
    assert len(made) == len(set(made)), "a key was made twice"
    assert acknowledged.made <= set(made), f"made, and lost: {acknowledged.made - set(made)}"
    revoked = {str(record.key_id) for record in lines if record.happening is Happening.REVOKED}
    assert acknowledged.revoked <= revoked, f"revoked, and lost: {acknowledged.revoked - revoked}"
    for epoch in state.epochs:
        assert str(epoch.key.key_id) not in acknowledged.revoked or epoch.state is KeyState.REVOKED
    known = {user.mc_service_id for user in state.users}
    for user in domain.users:
        assert user.uri in known, f"{user.uri} was authorised, and is lost"
        if user.groups is not None:
            assert state.groups.get(user.uri, set()) == user.groups, f"{user.uri}: {state.groups}"
        if user.csk is not None:
            assert state.csks[user.uri].key_id == user.csk, f"{user.uri}: another CSK"
