"""Captures for Wireshark, and what Wireshark reads in them."""

from __future__ import annotations

import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_RAW_IP = 101
_LOOPBACK = bytes((127, 0, 0, 1))


class Dissected(NamedTuple):
    """A field as Wireshark names it, its value as text, and the line a user sees."""

    name: str
    value: str
    line: str


def udp_capture(path: Path, payloads: Sequence[bytes], port: int) -> None:
    """Writes ``payloads`` as UDP datagrams from and to ``port`` on 127.0.0.1."""
    octets = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, _RAW_IP)
    for number, payload in enumerate(payloads):
        udp = struct.pack(">HHHH", port, port, 8 + len(payload), 0) + payload
        header = (0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, _LOOPBACK, _LOOPBACK)
        packet = struct.pack(">BBHHHBBH4s4s", *header) + udp
        octets += struct.pack("<IIII", number, 0, len(packet), len(packet)) + packet
    path.write_bytes(octets)


def dissect(path: Path, port: int, protocol: str) -> list[list[Dissected]]:
    """Every field that tshark finds in each packet, in order."""
    command = ["tshark", "-r", str(path), "-d", f"udp.port=={port},{protocol}", "-T", "pdml"]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    return [
        [
            Dissected(field.get("name", ""), field.get("show", ""), field.get("showname", ""))
            for field in packet.iter()
            if field.tag in ("field", "proto")
        ]
        for packet in ElementTree.fromstring(done.stdout).iter("packet")
    ]
