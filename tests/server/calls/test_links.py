"""Two servers under one SPK: neither sends from an SSRC of the other, and a leg's number is used again."""

from __future__ import annotations

from mcsec.keys.policy import SenderKeys
from mcsec.server.calls.numbers import Numbers
from mcsec.server.indexes import MemoryIndexes
from mcsec.server.signalling import Signalling
from mcsec.wire.rtcp.floor import FloorIdle
from support.call_domains import mdsi, spk_between

A, B = "a.example", "b.example"


def test_the_two_sides_of_an_spk_have_no_ssrc_in_common() -> None:
    theirs, ours = spk_between(A, B)
    a = Signalling(SenderKeys(A, spks={mdsi(B): theirs}), MemoryIndexes())
    b = Signalling(SenderKeys(B, spks={mdsi(A): ours}), MemoryIndexes())
    drawn_a = {a.peer_ssrc(mdsi(B), leg) for leg in range(200)}
    drawn_b = {b.peer_ssrc(mdsi(A), leg) for leg in range(200)}
    assert {ssrc >> 31 for ssrc in drawn_a} == {0}
    assert {ssrc >> 31 for ssrc in drawn_b} == {1}
    sent = a.to_peer(mdsi(B), 3, FloorIdle(ssrc=0, sequence_number=1), 1e12)
    assert int.from_bytes(sent.packet.octets[4:8]) == a.peer_ssrc(mdsi(B), 3)


def test_numbers_come_back_lowest_first() -> None:
    numbers = Numbers()
    assert [numbers.take("one") for _ in range(4)] == [0, 1, 2, 3]
    assert numbers.take("other") == 0
    for number in (2, 1):
        numbers.give_back("one", number)
    assert [numbers.take("one") for _ in range(3)] == [1, 2, 4]
