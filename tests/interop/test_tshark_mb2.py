"""tshark as referee of a whole MB2 conversation: nothing malformed, nothing unknown but what its dictionary lacks."""

from __future__ import annotations

import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcsec.ids import Tmgi
from mcsec.net.capture import CaptureWriter
from mcsec.wire.diameter.table import DICTIONARY
from mcsec.wire.mb2.groups import (
    LocalM1Information,
    LocalMb2UInformation,
    MbmsBearerEventNotification,
    MbmsBearerRequest,
    RohcProfile,
    RohcRequest,
    StartStop,
    TmgiExpiry,
    UserplaneProtocolResult,
)
from mcsec.wire.mb2.masks import BearerEvent, DiagnosticInfo, FecResult, RohcResult
from mcsec.wire.mb2.userplane import InnerPacket
from mcsec.wire.mb2.values import FlowId
from support.mb2 import GAA, GAR
from support.nodes import BMSC, EXACT, GCS, OPERATOR, answer_to, gar, gnr, pair

pytestmark = pytest.mark.peer("tshark")

#: Codes that the dictionary of this Wireshark (4.0) does not have; it stops at 3517.
_BEYOND = {row.code for row in DICTIONARY.avps if row.code > 3517}
_PORT = {GCS: 40000, BMSC: 3868}
_ADDRESS = ip_address("127.0.0.1").packed


def tcp_packet(source: str, sequence: int, acknowledged: int, payload: bytes) -> bytes:
    target = BMSC if source == GCS else GCS
    tcp = struct.pack(
        ">HHIIBBHHH", _PORT[source], _PORT[target], sequence, acknowledged, 0x50, 0x18, 0xFFFF, 0, 0
    )
    length = 40 + len(payload)
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 6, 0, _ADDRESS, _ADDRESS) + tcp + payload


def capture(path: Path, written: list[tuple[str, bytes]]) -> None:
    sent = {GCS: 1, BMSC: 1}
    with CaptureWriter(path) as writer:
        for number, (source, octets) in enumerate(written):
            other = BMSC if source == GCS else GCS
            writer.write_packet(float(number), tcp_packet(source, sent[source], sent[other], octets))
            sent[source] += len(octets)


def dissect(path: Path, *options: str) -> list[ElementTree.Element]:
    done = subprocess.run(
        ["tshark", "-r", str(path), "-T", "pdml", *options], capture_output=True, check=True, timeout=60
    )
    return list(ElementTree.fromstring(done.stdout).iter("packet"))


def names(packets: list[ElementTree.Element]) -> Counter[str]:
    return Counter(field.get("name", "") for packet in packets for field in packet.iter())


def unknown_codes(packets: list[ElementTree.Element]) -> set[int]:
    """Codes of AVPs whose value it shows as octets of an unknown kind."""
    found = set()
    for packet in packets:
        for avp in packet.iter("field"):
            children = {child.get("name"): child for child in avp}
            if avp.get("name") == "diameter.avp" and "diameter.avp.unknown" in children:
                found.add(int(children["diameter.avp.code"].get("show", "0")))
    return found


def test_a_conversation(tmp_path: Path) -> None:
    world = pair()
    world.handlers[BMSC] = lambda request: GAA
    request = gar(
        supported_features=GAR.supported_features,
        tmgi_allocation_request=GAR.tmgi_allocation_request,
        mbms_bearer_request=GAR.mbms_bearer_request,
        restart_counter=3,
    )
    event = MbmsBearerEventNotification(
        tmgi=Tmgi(1, "001", "01"), mbms_flow_identifier=FlowId(2), mbms_bearer_event=BearerEvent.TERMINATED
    )
    expiry = TmgiExpiry(tmgi=(Tmgi(1, "310", "410"), Tmgi(2, "310", "410")))
    world.engines[GCS].request(request, world.now, 5)
    world.engines[BMSC].request(
        gnr(mbms_bearer_event_notification=(event,), tmgi_expiry=expiry), world.now, 5
    )
    world.run()
    world.advance(EXACT.watchdog + 1)
    world.engines[GCS].stop(world.now)
    world.run()
    capture(tmp_path / "mb2.pcapng", world.written)
    packets = dissect(tmp_path / "mb2.pcapng")
    seen = names(packets)
    assert seen["diameter.cmd.code"] == len(world.written)
    assert not [name for name in seen if "malformed" in name or "invalid" in name]
    assert unknown_codes(packets) == set()
    shown = {field.get("showname") for packet in packets for field in packet.iter("field")}
    assert {
        "MBMS Service ID: 0x123456",
        "Mobile Country Code (MCC): United States (310)",
        "QoS-Class-Identifier: QCI_65 (65)",
        "Max-Requested-Bandwidth-DL: 256000",
        "Pre-emption-Vulnerability: PRE-EMPTION_VULNERABILITY_DISABLED (1)",
        "Number of MBMS service area codes: 3",
        "MBMS service area code: 300",
        "MBMS-Start-Time: Nov 23, 2026 16:07:04.000000000 UTC",
        "Restart-Counter: 42",
        "MBMS-Bearer-Event: 1",
        "AVP: Vendor-Specific-Application-Id(260) l=32 f=-M-",
        "AVP: Disconnect-Cause(273) l=12 f=-M- val=REBOOTING (0)",
    } <= shown


def test_what_its_dictionary_lacks(tmp_path: Path) -> None:
    world = pair()
    world.handlers[BMSC] = lambda request: answer_to(request, BMSC, OPERATOR)
    result = UserplaneProtocolResult(
        flow_description=("permit out ip from any to any",),
        rohc_result=RohcResult.TRYING,
        fec_result=FecResult.SUCCESS,
    )
    event = MbmsBearerEventNotification(
        tmgi=Tmgi(1, "001", "01"),
        mbms_flow_identifier=FlowId(2),
        mbms_bearer_event=BearerEvent.USER_PLANE,
        mbms_bearer_event_diagnostic_info=DiagnosticInfo.MBMS_GW_TRANSIENT_ERROR,
        userplane_protocol_result=(result,),
    )
    v4, v6 = ip_address("239.0.0.1"), ip_address("ff15::1")
    bearer = MbmsBearerRequest(
        mbms_startstop_indication=StartStop.START,
        local_m1_information=LocalM1Information(
            mbms_enb_ip_multicast_address=v4,
            mbms_enb_ipv6_multicast_address=v6,
            mbms_gw_ssm_ip_address=v4,
            mbms_gw_ssm_ipv6_address=v6,
            common_tunnel_endpoint_identifier=b"\0\0\0\1",
        ),
        local_mb2_u_information=LocalMb2UInformation(bmsc_address=(v4, v6), bmsc_port=9470),
        fec_request=b"v=0",
        rohc_request=(
            RohcRequest(
                flow_description=("permit out ip from any to any",),
                rohc_full_header_periodicity=1.5,
                rohc_profile=RohcProfile.UDP_IP,
            ),
        ),
        rohc_max_cid=15,
    )
    world.engines[GCS].request(gar(mbms_bearer_request=(bearer,)), world.now, 5)
    world.engines[BMSC].request(gnr(mbms_bearer_event_notification=(event,)), world.now, 5)
    world.run()
    capture(tmp_path / "mb2.pcapng", world.written)
    packets = dissect(tmp_path / "mb2.pcapng")
    assert not [name for name in names(packets) if "malformed" in name or "invalid" in name]
    # Members of a group that it does not know stay inside the octets of the group.
    assert unknown_codes(packets) == {3518, 3519, 3525, 3526, 3529, 3532, 3533}
    assert unknown_codes(packets) <= _BEYOND


@pytest.mark.parametrize(("source", "group"), [("10.0.0.1", "239.1.2.3"), ("fd00::1", "ff15::3")])
def test_mb2u(tmp_path: Path, source: str, group: str) -> None:
    inner = InnerPacket(ip_address(source), ip_address(group), 40000, 5004, b"payload")
    with CaptureWriter(tmp_path / "mb2u.pcapng") as writer:
        writer.write_udp(0.0, (ip_address("127.0.0.1"), 1), (ip_address("127.0.0.1"), 9470), inner.encode())
    version = "ip" if inner.source.version == 4 else "ipv6"
    options = (
        "-d",
        f"udp.port==9470,{version}",
        "-o",
        "udp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    )
    (packet,) = dissect(tmp_path / "mb2u.pcapng", *options)
    shown = [(field.get("name"), field.get("show")) for field in packet.iter("field")]
    assert (f"{version}.dst", group) in shown
    assert ("udp.dstport", "5004") in shown
    assert shown.count(("udp.checksum.status", "1")) == 2
