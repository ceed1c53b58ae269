"""Diameter messages to test with: any class from its grammar, and the two published MB2-C examples."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from ipaddress import IPv4Address, IPv6Address
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from mcsec.ids import Tmgi
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.datatypes import (
    DIAMETER_IDENTITY,
    DIAMETER_URI,
    ENUMERATED,
    FLOAT32,
    IP_FILTER_RULE,
    TIME,
    UNSIGNED64,
    UTF8_STRING,
)
from mcsec.wire.diameter.schema import Writer
from mcsec.wire.diameter.typed import schema_of
from mcsec.wire.mb2.values import CellList, Ecgi, FlowId, ServiceArea, SessionDuration

#: Built by python-diameter. Its M bits on ARP, cell list, features and restart counter are not those of TS 29.212.
GAR_BY_PYTHON_DIAMETER = bytes.fromhex(
    "01000210c080003601000077237defb14a8e1c83000001074000003467637361732e6d63782e6578616d706c653b3662"
    "3034363461383b65313236636438333b3466663033333836000001024000000c01000077000001154000000c00000001"
    "000001084000001967637361732e6d63782e6578616d706c6500000000000128400000136d63782e6578616d706c6500"
    "0000011b400000256d6e633030312e6d63633030312e336770706e6574776f726b2e6f726700000000000274c0000038"
    "000028af0000010a4000000c000028af00000275c0000010000028af0000000100000276c0000010000028af00000001"
    "00000db5c0000030000028af00000dbcc0000010000028af0000000200000384c0000012000028af1234561300140000"
    "00000db0c00000e0000028af00000386c0000010000028af00000000000003f8c0000078000028af00000404c0000010"
    "000028af0000004100000203c0000010000028af0003e80000000401c0000010000028af0001f4000000040ac000003c"
    "000028af00000416c0000010000028af0000000200000418c0000010000028af0000000100000417c0000010000028af"
    "0000000000000387c0000013000028af0200010002012c0000000db3c0000010000028afeeaee32800000dbdc0000010"
    "000028af00000000000003a680000015000028af000000f11000abcde1000000000003a480000010000028af00000003"
)

#: Built by freeDiameter.
GAA_BY_FREEDIAMETER = bytes.fromhex(
    "010001744080003601000077991bc0655e873ef7000001074000003467637361732e6d63782e6578616d706c653b3662"
    "3034363565383b34383066316262613b3930633763383335000001084000002a626d73632e6d6e633030312e6d636330"
    "30312e336770706e6574776f726b2e6f7267000000000128400000256d6e633030312e6d63633030312e336770706e65"
    "74776f726b2e6f72670000000000010c4000000c000007d1000001024000000c01000077000001154000000c00000001"
    "00000db6c0000040000028af00000384c0000012000028afb0000100f110000000000388c000000f000028af07080000"
    "00000db7c0000010000028af0000000100000db1c0000064000028af00000384c0000012000028afb0000200f1100000"
    "00000398c000000e000028af0001000000000db2c0000010000028af0000000100000dacc0000012000028af00017f00"
    "0001000000000dadc0000010000028af000024fe000003a480000010000028af0000002a"
)

_u16 = st.integers(0, 0xFFFF)
_u32 = st.integers(0, 0xFFFFFFFF)
_identities = st.from_regex(r"[a-z0-9][a-z0-9.-]{0,30}", fullmatch=True)
plmns = st.tuples(st.from_regex(r"[0-9]{3}", fullmatch=True), st.from_regex(r"[0-9]{2,3}", fullmatch=True))
tmgis = st.builds(lambda service, plmn: Tmgi(service, *plmn), st.integers(0, 0xFFFFFF), plmns)
service_areas = st.lists(_u16, min_size=1, max_size=256, unique=True).map(
    lambda codes: ServiceArea(tuple(codes))
)
durations = st.builds(SessionDuration, st.integers(0, 86400), st.integers(0, 18))
flow_ids = st.builds(FlowId, _u16)
ecgis = st.builds(lambda plmn, cell: Ecgi(*plmn, cell), plmns, st.integers(0, 0xFFFFFFF))
cell_lists = st.lists(ecgis, min_size=1, max_size=5).map(lambda cells: CellList(tuple(cells)))
addresses = st.one_of(st.builds(IPv4Address, _u32), st.builds(IPv6Address, st.integers(0, 2**128 - 1)))

#: AVPs that no dictionary has, not mandatory.
unknown_avps = st.builds(
    Avp,
    st.integers(0xF0000000, 0xFFFFFFFF),
    st.binary(max_size=9),
    st.sampled_from([0, 10415, 99999]),
    st.just(0),
)

_BY_TYPE = {
    Tmgi: tmgis,
    ServiceArea: service_areas,
    SessionDuration: durations,
    FlowId: flow_ids,
    CellList: cell_lists,
    bytes: st.binary(max_size=40),
}
_BY_FORMAT = {
    UTF8_STRING.name: st.text(max_size=20),
    DIAMETER_IDENTITY.name: _identities,
    DIAMETER_URI.name: _identities.map(lambda host: f"aaa://{host}"),
    IP_FILTER_RULE.name: st.from_regex(r"[ -~]{0,20}", fullmatch=True),
    ENUMERATED.name: st.integers(-(2**31), 2**31 - 1),
    FLOAT32.name: st.floats(width=32, allow_nan=False),
    TIME.name: st.integers(0, 2**31),
    UNSIGNED64.name: st.integers(0, 2**64 - 1),
}


def _values(member: Writer, hint: Any) -> st.SearchStrategy[Any]:
    parts = tuple(part for part in get_args(hint) if part not in (NoneType, ...))
    if member.repeats:
        most = 4 if member.most is None else member.most
        one = _one(member, parts[0])
        return st.lists(one, min_size=member.least, max_size=most).map(tuple)
    inner = parts[0] if parts and get_origin(hint) is not tuple else hint
    return _one(member, inner) if member.least else st.none() | _one(member, inner)


def _one(member: Writer, kind: Any) -> st.SearchStrategy[Any]:
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if isinstance(kind, type) and issubclass(kind, IntEnum):
        return st.sampled_from(kind)
    if isinstance(kind, type) and issubclass(kind, IntFlag):
        return _u32.map(kind)
    if member.avp.datatype.name in ("Address",):
        return addresses
    if kind in (int, str, float):
        return _BY_FORMAT.get(member.avp.datatype.name, _u32)
    return messages(kind)


def messages(cls: type[Any]) -> st.SearchStrategy[Any]:
    """Any instance that the grammar of ``cls`` allows."""
    hints = get_type_hints(cls)
    fields = {writer.name: _values(writer, hints[writer.name]) for writer in schema_of(cls).writers}
    return st.builds(cls, other=st.lists(unknown_avps, max_size=2).map(tuple), **fields)
