"""What remains of a demo: which key protected what, a capture for Wireshark, and a key log to open it with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from mcsec.crypto.srtp import SrtpProfile
from mcsec.keys.key import Key
from mcsec.keys.kinds import Traffic
from mcsec.lab.air import Heard
from mcsec.lab.claims import KeyEvidence
from mcsec.net.capture import CaptureWriter, Endpoint
from mcsec.net.keylog import KeyLog, KeyLogEntry, Protects
from mcsec.net.unicast import Address
from mcsec.server.signalling import OnBearer, ToClient

_WORDS = {
    Traffic.SUBCHANNEL_CONTROL: "subchannel control, bearer",
    Traffic.MBMS_FLOOR: "floor control, bearer",
    Traffic.UNICAST_FLOOR: "floor control, unicast",
}


def key_rows(sent: Sequence[OnBearer | ToClient], tap: Sequence[Heard]) -> list[KeyEvidence]:
    """A row for each key and each class of traffic that the tap saw protected by it."""
    keys = {one.key.key_id.encode(): one.key for one in sent}
    sizes: dict[tuple[bytes, Traffic], list[int]] = {}
    for heard in tap:
        if heard.traffic in _WORDS:
            # Anybody on this machine can send here, so the octets may be no MKI of ours.
            sizes.setdefault((heard.octets[-4:], heard.traffic), []).append(len(heard.octets))
    return [_row(mki, keys.get(mki), _WORDS[traffic], found) for (mki, traffic), found in sizes.items()]


def _row(mki: bytes, key: Key | None, protected: str, sizes: Sequence[int]) -> KeyEvidence:
    return KeyEvidence(
        key=f"unknown {mki.hex()}" if key is None else f"{key.key_id.tag.label} {key.key_id}",
        made_by="nobody here" if key is None else key.maker.entity,
        domain="" if key is None else key.maker.domain,
        protected=protected,
        packets=len(sizes),
        octets=sum(sizes),
    )


def write_capture(path: Path, tap: Iterable[Heard]) -> Path:
    """Everything that was on the bearer and on unicast, in order."""
    with CaptureWriter(path) as capture:
        for heard in tap:
            capture.write_udp(
                heard.time,
                _endpoint(heard.source),
                _endpoint(heard.destination),
                heard.octets,
                str(heard.traffic),
            )
    return path


def write_keylog(path: Path, keys: Iterable[Key]) -> Path:
    """The SRTCP keys of the demo's signalling. They are in clear, and worth nothing outside of it."""
    path.unlink(missing_ok=True)
    with KeyLog(path) as log:
        for key in sorted(keys, key=lambda key: key.key_id):
            material = key.srtp_material()
            log.write(
                KeyLogEntry(
                    Protects.SRTCP,
                    material.mki,
                    SrtpProfile.AEAD_AES_128_GCM,
                    material.master_key,
                    material.master_salt,
                )
            )
    return path


def _endpoint(address: Address) -> Endpoint:
    return ip_address(address[0]), address[1]
