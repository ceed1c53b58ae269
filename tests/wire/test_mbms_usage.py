"""Bearer announcements, listening and suspension reports."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError, InvalidValue
from mcsec.ids import Tmgi
from mcsec.wire.mb2.values import ServiceArea
from mcsec.wire.mbms_usage import (
    MAX_ANNOUNCEMENTS,
    Announcement,
    GpmsPlace,
    Listening,
    MbmsUsage,
    Suspension,
    decode,
    encode,
)
from support.rtcp import tmgis
from support.xml import xml_texts

TMGI = Tmgi(0x010203, "262", "01")
AREAS = ServiceArea((1, 2))
tmgi_lists = st.lists(tmgis, max_size=3).map(tuple)
codes = st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=4, unique=True)
areas = codes.map(lambda numbers: ServiceArea(tuple(numbers)))
announcements = st.builds(
    Announcement,
    tmgi=tmgis,
    qci=st.none() | st.integers(0, 255),
    frequency=st.none() | st.binary(min_size=1, max_size=5),
    service_area=st.none() | areas,
    gpms=st.none() | st.integers(1, 15),
    report_suspension=st.none() | st.booleans(),
    alternative_tmgis=tmgi_lists,
    rohc_max_cid=st.none() | st.integers(1, 16383),
)
usages = st.builds(
    MbmsUsage,
    announcements=st.lists(announcements, max_size=3).map(tuple),
    listening=st.none()
    | st.builds(
        Listening,
        listening=st.booleans(),
        tmgis=tmgi_lists.filter(bool),
        session_id=st.none() | xml_texts,
        general_purpose=st.none() | st.booleans(),
    ),
    suspension=st.none()
    | st.builds(
        Suspension,
        suspended=st.booleans(),
        reported_bearers=st.none() | st.integers(0, 99),
        suspended_tmgis=tmgi_lists,
        other_tmgis=tmgi_lists,
    ),
    version=st.integers(0, 9),
    musik_groups=st.none() | st.lists(xml_texts, max_size=3).map(tuple),
)


def document(content: str, version: str = "<version>1</version>") -> bytes:
    namespace = "urn:3gpp:ns:mcpttMbmsUsage:1.0"
    return f'<mcptt-mbms-usage-info xmlns="{namespace}">{content}{version}</mcptt-mbms-usage-info>'.encode()


@given(usages)
def test_round_trip(usage: MbmsUsage) -> None:
    assert decode(encode(usage)) == usage


@given(announcements)
def test_gpms_is_read_in_both_places(announcement: Announcement) -> None:
    usage = MbmsUsage(announcements=(announcement,))
    assert decode(encode(usage, gpms=GpmsPlace.ROOT)) == usage


def test_gpms_beside_several_announcements_must_be_one() -> None:
    one, two = Announcement(tmgi=TMGI, gpms=1), Announcement(tmgi=TMGI, gpms=2)
    with pytest.raises(InvalidValue):
        encode(MbmsUsage(announcements=(one, two)), gpms=GpmsPlace.ROOT)
    inside = document(
        "<announcement><TMGI>01020362F210</TMGI><GPMS>3</GPMS></announcement>"
        "<announcement><TMGI>01020362F210</TMGI></announcement><GPMS>4</GPMS>"
    )
    assert [announcement.gpms for announcement in decode(inside).announcements] == [3, 4]


def test_octets_on_the_wire() -> None:
    usage = MbmsUsage(announcements=(Announcement(tmgi=TMGI, qci=65, service_area=AREAS, gpms=1),))
    assert encode(usage).split(b"\n", 1)[1] == document(
        "<announcement><TMGI>01020362F210</TMGI><QCI>65</QCI>"
        "<mbms-service-areas>0100010002</mbms-service-areas><GPMS>1</GPMS></announcement>"
    )


def test_what_a_known_client_reports() -> None:
    """As a public client writes it for the general purpose subchannel."""
    octets = document(
        "<mbms-listening-status><mbms-listening-status>listening</mbms-listening-status>"
        "<general-purpose>true</general-purpose><TMGI>01020362f210</TMGI></mbms-listening-status>"
    )
    assert decode(octets).listening == Listening(listening=True, general_purpose=True, tmgis=(TMGI,))


def test_musik_download_default_and_explicit() -> None:
    default = document("", "<version>1</version><anyExt><mbms-defaultMuSiK-download/></anyExt>")
    assert decode(default).musik_groups == ()
    assert b"<mbms-explicitMuSiK-download><group>sip:g</group>" in encode(MbmsUsage(musik_groups=("sip:g",)))


@pytest.mark.parametrize(
    ("content", "version"),
    [
        ("", ""),
        ("", "<version>one</version>"),
        ("<announcement/>", "<version>1</version>"),
        ("<announcement><TMGI>0102</TMGI></announcement>", "<version>1</version>"),
        ("<announcement><TMGI>0102036AF210</TMGI></announcement>", "<version>1</version>"),
        (
            "<announcement><TMGI>01020362F210</TMGI><GPMS>0</GPMS></announcement>",
            "<version>1</version>",
        ),
        (
            "<announcement><TMGI>01020362F210</TMGI><mbms-service-areas>01</mbms-service-areas></announcement>",
            "<version>1</version>",
        ),
        ("<GPMS>16</GPMS>", "<version>1</version>"),
        (
            "<announcement><TMGI>01020362F210</TMGI></announcement>" * (MAX_ANNOUNCEMENTS + 1),
            "<version>1</version>",
        ),
        (
            "<mbms-listening-status><mbms-listening-status>maybe</mbms-listening-status><TMGI>01020362F210</TMGI>"
            "</mbms-listening-status>",
            "<version>1</version>",
        ),
        (
            "<mbms-listening-status><mbms-listening-status>listening</mbms-listening-status>"
            "</mbms-listening-status>",
            "<version>1</version>",
        ),
        ("<mbms-suspension-status/>", "<version>1</version>"),
        ("", "<version>1</version><anyExt><mbms-explicitMuSiK-download/></anyExt>"),
        (
            "",
            "<version>1</version><anyExt><mbms-defaultMuSiK-download/><mbms-explicitMuSiK-download><group>g</group>"
            "</mbms-explicitMuSiK-download></anyExt>",
        ),
    ],
)
def test_refused(content: str, version: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(document(content, version))
    assert caught.value.code.startswith("mbms-usage.")


def test_what_cannot_be_said() -> None:
    with pytest.raises(InvalidValue):
        Announcement(tmgi=TMGI, gpms=16)
    with pytest.raises(InvalidValue):
        Announcement(tmgi=TMGI, rohc_max_cid=0)
    with pytest.raises(InvalidValue):
        encode(MbmsUsage(listening=Listening(listening=True, tmgis=())))


def test_header_compression_without_a_number_has_fifteen() -> None:
    octets = document(
        "<announcement><TMGI>01020362F210</TMGI><anyExt><mcptt-mbms-rohc/></anyExt></announcement>"
    )
    assert decode(octets).announcements[0].rohc_max_cid == 15
