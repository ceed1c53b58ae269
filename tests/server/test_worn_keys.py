"""A key under which very much was sent is followed by another one, long before the last SRTCP index (RFC 3711 9.2)."""

from __future__ import annotations

from mcsec.ids import PurposeTag
from mcsec.keys.events import KeyRenewalDue
from mcsec.keys.kinds import Traffic
from mcsec.keys.reservation import Block, Reserve, reserve
from mcsec.keys.rotation import STANDARD
from mcsec.server.indexes import MemoryIndexes
from mcsec.server.signalling import OnBearer
from support.domains import NOW
from support.engines import GROUP, MUSIK_SCOPE, TMGI, broadcasting, deliver, idle


class Used(MemoryIndexes):
    """As if almost so many indexes had been used before."""

    def __init__(self, mark: int) -> None:
        super().__init__()
        self._mark = mark

    def ask(self, wish: Reserve) -> Block:
        block = reserve(max(self._mark, wish.above), wish)
        self._mark = 0
        return block


def test_a_worn_musik_is_followed_once_and_counts_anew() -> None:
    at, clients = broadcasting("ann")
    at._signalling._indexes = Used(STANDARD.renew_index)

    def say(now: float) -> OnBearer:
        (sent,) = at.floor(TMGI, GROUP, idle(ssrc=at.ssrc(Traffic.MBMS_FLOOR, TMGI)), now)
        assert isinstance(sent, OnBearer)
        return sent

    first = say(NOW)
    due = [event for event in at.poll(NOW + 1) if isinstance(event, KeyRenewalDue)]
    assert [event.key_id for event in due] == [first.key.key_id]
    # Asked for once.
    say(NOW + 2)
    assert not [event for event in at.poll(NOW + 3) if isinstance(event, KeyRenewalDue)]
    before = at.ssrc(Traffic.MBMS_FLOOR, TMGI)
    at.make_musik(MUSIK_SCOPE, [client.uri for client in clients], NOW + 4)
    deliver(at, clients, NOW + 5)
    second = say(NOW + 6)
    assert second.key.key_id != first.key.key_id
    # Otherwise the next key would be worn from its first packet on.
    assert at.ssrc(Traffic.MBMS_FLOOR, TMGI) != before
    assert int.from_bytes(second.packet.octets[-8:-4]) & 0x7FFFFFFF == 1
    assert not [event for event in at.poll(NOW + 7) if isinstance(event, KeyRenewalDue)]


def test_a_worn_csk_asks_for_another() -> None:
    at, (ann,) = broadcasting("ann")
    at._signalling._indexes = Used(STANDARD.renew_index)
    csk = at.csks.held[ann.uri]
    at.floor(None, GROUP, idle(ssrc=1), NOW)
    (event,) = [event for event in at.poll(NOW + 1) if isinstance(event, KeyRenewalDue)]
    assert (event.key_id, event.key_id.tag) == (csk.key_id, PurposeTag.CSK)
    at.replace_csk(ann.uri, NOW + 1)
    (offered,) = at.keydown.csks
    at.csk_accepted(offered, NOW + 2)
    assert at.csks.owner(offered) == ann.uri
    assert at.csks.owner(csk.key_id) is None
