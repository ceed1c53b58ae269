"""Strategies for I_MESSAGEs and their payloads: well formed, not authentic."""

from __future__ import annotations

from hypothesis import strategies as st

from mcsec.mikey.extensions import Extension, OtherExtension, ProtectedParameters, SakkeToSelf
from mcsec.mikey.header import GenericCs, Header, SrtpCs
from mcsec.mikey.message import IMessage
from mcsec.mikey.numbers import ExtensionType, IdRole, IdType, MapType
from mcsec.mikey.payloads import Idr, Rand, Sakke, SecurityPolicy, Sign, Timestamp

octet = st.integers(0, 0xFF)
words = st.integers(0, 0xFFFFFFFF)


def octets(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


generic_cs = st.builds(
    GenericCs,
    cs_id=octet,
    spi=st.binary(max_size=8),
    policies=st.lists(octet, max_size=3).map(tuple),
    protocol=octet,
    has_roc=st.booleans(),
    session_data=st.binary(max_size=12),
)
srtp_cs = st.builds(SrtpCs, policy=octet, ssrc=words, roc=words)
maps = st.one_of(
    st.just((MapType.EMPTY, ())),
    st.tuples(st.just(MapType.GENERIC_ID), st.lists(generic_cs, min_size=1, max_size=4).map(tuple)),
    st.tuples(st.just(MapType.SRTP_ID), st.lists(srtp_cs, max_size=3).map(tuple)),
)
headers = st.builds(
    lambda csb_id, sessions, prf, flag: Header(csb_id, *sessions, prf, flag),
    octets(4),
    maps,
    st.integers(0, 0x7F),
    st.booleans(),
)
timestamps = st.builds(Timestamp, words, words)
rands = st.builds(Rand, octets(16))
uris = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40)
policies = st.builds(
    SecurityPolicy,
    st.lists(st.tuples(octet, st.binary(max_size=4)), max_size=6, unique_by=lambda item: item[0]).map(tuple),
    octet,
    octet,
)
sakkes = st.one_of(
    st.builds(Sakke, octets(273), st.just(1), octet),
    st.builds(Sakke, st.binary(max_size=40), octet.filter(lambda number: number != 1), octet),
)
protected_parameters = st.builds(
    ProtectedParameters,
    iv=octets(16),
    dppk_id=octets(4),
    sealed=st.binary(min_size=16, max_size=80),
    date_time=octets(5),
    payload_id=words,
    sequence=octet,
    algorithm=octet,
    message_type=st.sampled_from((0x43, 0xC3)),
    iei=octet,
)
other_extensions = st.builds(
    OtherExtension, octet.filter(lambda number: number not in set(ExtensionType)), st.binary(max_size=20)
)
extensions: st.SearchStrategy[Extension] = st.one_of(
    st.builds(SakkeToSelf, sakkes, octet), protected_parameters, other_extensions
)
signs = st.one_of(
    st.builds(Sign, octets(129)),
    st.builds(Sign, st.binary(max_size=40), st.integers(0, 15).filter(lambda number: number != 2)),
)


def identities(role: IdRole) -> st.SearchStrategy[Idr]:
    data = octets(32) if role.is_uid else uris.map(str.encode)
    return st.builds(Idr, st.just(role), data, st.sampled_from(IdType))


@st.composite
def imessages(draw: st.DrawFn) -> IMessage:
    payloads = [
        draw(timestamps),
        draw(rands),
        draw(identities(draw(st.sampled_from((IdRole.INITIATOR, IdRole.INITIATOR_UID))))),
        draw(identities(draw(st.sampled_from((IdRole.RESPONDER, IdRole.RESPONDER_UID))))),
        draw(identities(IdRole.INITIATOR_KMS)),
        draw(identities(IdRole.RESPONDER_KMS)),
        draw(sakkes),
        *draw(st.lists(policies, max_size=1)),
        *draw(st.lists(extensions, max_size=4, unique_by=lambda extension: extension.slot)),
    ]
    return IMessage(draw(headers), tuple(draw(st.permutations(payloads))), draw(signs))
