"""pycrate reads everything that we encode, and its dictionary stands beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pycrate_diameter import Diameter3GPP as pycrate
from pycrate_diameter.Diameter import OctetString

from mcsec.wire.diameter.avp import Avp, decode_avps
from mcsec.wire.diameter.base import Cea, Cer, Dpa, Dpr, Dwa, Dwr, ErrorAnswer
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import encode_answer, encode_request
from mcsec.wire.diameter.schema import Schema
from mcsec.wire.diameter.table import DICTIONARY, MB2C, TGPP
from mcsec.wire.diameter.typed import schema_of
from mcsec.wire.mb2.messages import Gaa, Gar, Gna, Gnr
from support.diameter import GAA_BY_FREEDIAMETER, GAR_BY_PYTHON_DIAMETER, messages
from support.mb2 import GAA, GAR

#: It stops at the one before.
_UNKNOWN = {"MBMS-Bearer-Event-Diagnostic-Info"}
#: It looks codes up without the vendor, so that 3GPP's AVPs hide these of the IETF.
_HIDDEN = {"DRMP", "SourceID", "Load", "Load-Type", "Load-Value"}
_OTHER_NAMES = {"Firmware-Revision": "Firmware-Version"}


@pytest.fixture(autouse=True)
def _mended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It also takes MBMS-Session-Duration for an Unsigned32, and stops reading there."""
    for name in {"MBMS-Session-Duration"} | _HIDDEN:
        monkeypatch.setitem(pycrate.FMT_LUT_TS29230, DICTIONARY.by_name[name].code, OctetString)


def leaves(avps: tuple[Avp, ...]) -> Iterator[tuple[int, int, int, bytes]]:
    """Every AVP, those of groups after the group. It looks into 3GPP's groups only."""
    for avp in avps:
        row = DICTIONARY.find(avp.code, avp.vendor)
        group = row is not None and bool(row.members) and row.vendor == TGPP
        yield avp.code, avp.vendor, avp.flags, b"" if group else avp.data
        if group:
            yield from leaves(decode_avps(avp.data))


def their_leaves(avps: Any) -> Iterator[tuple[int, int, int, bytes]]:
    for avp in avps:
        header, data = avp[0], avp[1]
        vendor = header["VendorID"].get_val() if header["V"].get_val() else 0
        flags = header["M"].get_val() << 6 | header["P"].get_val() << 5
        group = isinstance(data, pycrate.Grouped)
        yield header["Code"].get_val(), vendor, flags, b"" if group else data.to_bytes()
        if group:
            yield from their_leaves(data)


def check(octets: bytes) -> None:
    message = pycrate.Diameter3GPP()
    message.from_bytes(octets)
    assert message.to_bytes() == octets
    assert list(their_leaves(message["AVPs"])) == list(leaves(decode_avps(octets, 20)))


@pytest.mark.parametrize(
    "octets",
    [
        GAR_BY_PYTHON_DIAMETER,
        GAA_BY_FREEDIAMETER,
        encode_request(GAR, 1, 2),
        encode_answer(GAA, Header(8388662, MB2C, 0xC0, 1, 2)),
    ],
    ids=["GAR by python-diameter", "GAA by freeDiameter", "GAR", "GAA"],
)
def test_examples(octets: bytes) -> None:
    check(octets)


@pytest.mark.parametrize("cls", [Gar, Gaa, Gnr, Gna, Cer, Cea, Dwr, Dwa, Dpr, Dpa, ErrorAnswer])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(data=st.data())
def test_everything_that_we_encode(cls: type[Any], data: st.DataObject) -> None:
    message = data.draw(messages(cls))
    schema: Schema = schema_of(cls)
    request = schema.command is not None and schema.command.request
    octets = encode_request(message, 1, 2) if request else encode_answer(message, Header(280, 0, 0x80, 1, 2))
    check(octets)


def test_the_dictionaries_agree() -> None:
    names = {
        code: name.replace("\N{NON-BREAKING HYPHEN}", "-") for code, name in pycrate.AVP3GPPCodes_dict.items()
    }
    unknown, other = set(), set()
    for row in DICTIONARY.avps:
        if row.code not in names:
            unknown.add(row.name)
        elif names[row.code].lower() != _OTHER_NAMES.get(row.name, row.name).lower():
            other.add(row.name)
    assert unknown == _UNKNOWN
    assert other == _HIDDEN
    groups = {row.name for row in DICTIONARY.avps if row.members and row.vendor == TGPP}
    theirs = {
        row.name
        for row in DICTIONARY.avps
        if row.vendor == TGPP and pycrate.FMT_LUT_TS29230.get(row.code) is pycrate.Grouped
    }
    assert groups == theirs
