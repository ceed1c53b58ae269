"""An SPK on its way to the partner, as a file that an operator carries (TS 33.180 5.5; ``docs/keys/spk.md``).

Format ``mcsec-spk/1``: JSON, with the key in clear. Whoever reads the file can speak for either server, so it is made
for its owner only, carried like a password, and deleted when both sides have it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from mcsec._core import Secret
from mcsec.errors import DecodeError, InvalidValue, LocalError
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key, Maker, Scope

FORMAT = "mcsec-spk/1"
_HEX = re.compile(r"(?:[0-9a-f]{2})+\Z")
_MOST = 16_384


def write(path: Path, key: Key, own: str) -> None:
    """Write an SPK of ``own`` (MDSI) for the server that its scope names.

    :raises InvalidValue: no SPK. :raises LocalError: the file exists, or cannot be written.
    """
    if key.key_id.tag is not PurposeTag.SPK:
        raise InvalidValue("only an SPK is handed over so")
    (peer,) = key.scope.names
    content = {
        "format": FORMAT,
        "between": [own, peer],
        "key_id": f"{key.key_id.value:08x}",
        "key": key.secret.reveal().hex(),
        "rand": key.rand.hex(),
        "maker": [key.maker.domain, key.maker.entity],
        "created": key.created,
        "activation": key.activation,
        "expiry": key.expiry,
    }
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise LocalError(f"{path}: {error.strerror}", code="keys.handover") from None
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=1)
        file.write("\n")


def read(octets: bytes, own: str) -> Key:
    """The SPK in a file, for the server ``own`` (MDSI): its scope is the other one.

    :raises DecodeError: it is none, or between others.
    """
    try:
        content = json.loads(octets[:_MOST])
        if content["format"] != FORMAT:
            raise DecodeError(f"no {FORMAT}", code="keys.handover")
        between = [str(name) for name in content["between"]]
        if own not in between or len(set(between)) != 2:
            raise DecodeError(f"an SPK of others: {' and '.join(between)}", code="keys.handover")
        (peer,) = (name for name in between if name != own)
        maker = content["maker"]
        if not isinstance(maker, list):
            raise DecodeError("no maker", code="keys.handover")
        domain, entity = maker
        return Key(
            KeyId.decode(_hex(content["key_id"])),
            Secret(_hex(content["key"])),
            _hex(content["rand"]),
            Scope.of(peer),
            Maker(str(domain), str(entity)),
            float(content["created"]),
            float(content["activation"]),
            None if content["expiry"] is None else float(content["expiry"]),
        )
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        # Of a broken file nothing is quoted: it may hold a key.
        raise DecodeError(f"no SPK: {type(error).__name__}", code="keys.handover") from None


def _hex(text: object) -> bytes:
    if not isinstance(text, str) or not _HEX.match(text):
        raise DecodeError("no hexadecimal octets", code="keys.handover")
    return bytes.fromhex(text)
