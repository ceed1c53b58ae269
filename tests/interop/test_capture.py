"""Wireshark opens our captures and sees what was put in."""

from __future__ import annotations

import subprocess
from ipaddress import ip_address
from pathlib import Path

import pytest

from mcsec.net.capture import CaptureWriter
from support.srtp import SSRC, rtcp, rtp, srtcp_sender, srtp_sender

FIELDS = (
    "frame.time_epoch",
    "frame.comment",
    "frame.interface_name",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.dstport",
    "udp.checksum.status",
    "rtcp.ssrc.identifier",
    "rtp.seq",
)


@pytest.mark.peer("tshark")
def test_tshark_opens_a_capture(tmp_path: Path) -> None:
    here, here6 = ip_address("127.0.0.1"), ip_address("::1")
    control, media = srtcp_sender().protect(rtcp()).octets, srtp_sender().protect(rtp(7)).octets
    with CaptureWriter(tmp_path / "x.pcapng", name="bearer 1") as capture:
        capture.write_udp(
            1_800_000_000.25, (here, 4000), (ip_address("239.1.2.3"), 5000), control, "Floor Taken, été"
        )
        capture.write_udp(1_800_000_001, (here6, 4000), (ip_address("ff15::7"), 5002), media)
    done = subprocess.run(
        [
            "tshark", "-n", "-r", str(capture.path), "-T", "fields", "-E", "separator=|",
            "-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
            "-d", "udp.port==5000,rtcp", "-d", "udp.port==5002,rtp",
            *(word for field in FIELDS for word in ("-e", field)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    first, second = (line.split("|") for line in done.stdout.splitlines())
    good = "1"
    assert first[1:-1] == [
        "Floor Taken, été", "bearer 1", "127.0.0.1", "239.1.2.3", "", "", "5000", good, f"0x{SSRC:08x}",
    ]  # fmt: skip
    assert second[1:] == ["", "bearer 1", "", "", "::1", "ff15::7", "5002", good, "", "7"]
    assert [float(packet[0]) for packet in (first, second)] == [1_800_000_000.25, 1_800_000_001]
