"""What remains of a demo: which key protected what, a capture for Wireshark, and a key log to open it with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from pathlib import Path

from mcsec.crypto.srtp import SrtpProfile
from mcsec.ids import KeyId
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
    keys: dict[KeyId, Key] = {one.key.key_id: one.key for one in sent}
    counts: dict[tuple[KeyId, Traffic], list[int]] = {}
    for heard in tap:
        if heard.traffic not in _WORDS:
            continue
        key_id = KeyId.decode(heard.octets[-4:])
        counts.setdefault((key_id, heard.traffic), []).append(len(heard.octets))
    return [
        KeyEvidence(
            key=f"{key_id.tag.label} {key_id}",
            made_by=keys[key_id].maker.entity,
            domain=keys[key_id].maker.domain,
            protected=_WORDS[traffic],
            packets=len(sizes),
            octets=sum(sizes),
        )
        for (key_id, traffic), sizes in counts.items()
    ]


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
