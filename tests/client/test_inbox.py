"""Whatever octets a trusted server sends, a client takes them or raises what has an answer; nothing else."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from mcsec.client.announcement import Announcements
from mcsec.client.inbox import Arrival, Inbox
from mcsec.client.radio import RadioSide
from mcsec.client.refusals import answer_to
from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.wire import mbms_usage, mc_bodies, multipart, sdp
from mcsec.wire.mc_sip import ICSI
from support.mc_clients import ALICE, engine, profile
from support.scripted_mcx import PSI, announcing, fresh_key, key_message

ENGINE = engine()
INBOX = Inbox(profile(), ENGINE, Announcements(ENGINE, RadioSide(7)))
DOWNLOAD = multipart.encode(
    mc_bodies.key_download(ALICE, key_message(fresh_key(PurposeTag.MUSIK), ALICE)), boundary="b"
)
ANNOUNCEMENT = multipart.encode(mc_bodies.announcement(ALICE, *announcing()), boundary="b")
TYPES = ["application/mikey", mbms_usage.CONTENT_TYPE, sdp.CONTENT_TYPE, "multipart/mixed;boundary=b"]


def arrives(content_type: str, body: bytes) -> None:
    before = ENGINE.keyring.keys
    try:
        INBOX.message(Arrival(ICSI, (PSI,), content_type, body), time.time())
    except PeerError as error:
        assert 400 <= answer_to(error).status < 500
        assert ENGINE.keyring.keys == before


@given(st.sampled_from(TYPES) | st.text(max_size=40), st.binary(max_size=300))
def test_any_octets(content_type: str, body: bytes) -> None:
    arrives(content_type, body)


@settings(max_examples=150)
@given(
    st.sampled_from([DOWNLOAD, ANNOUNCEMENT]),
    st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), min_size=1, max_size=4),
    st.integers(0, 1 << 16),
)
def test_changed_messages(message: tuple[str, bytes], changes: list[tuple[int, int]], cut: int) -> None:
    octets = bytearray(message[1])
    for place, bits in changes:
        octets[place % len(octets)] ^= bits
    del octets[max(1, cut % (4 * len(octets))) :]
    arrives(message[0], bytes(octets))
