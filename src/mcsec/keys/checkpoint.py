"""The head of a chain of records, signed, to be kept elsewhere: what shows later that the chain's end was cut off.

A checkpoint is one line of JSON. Its signature is Ed25519 over everything but itself; the public key stands in it, and
whoever verifies one must know that key from elsewhere, or from an earlier checkpoint.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mcsec.errors import CheckFailed, DecodeError
from mcsec.keys.chain import Head

__all__ = ["Checkpoint"]

_FORMAT = "mcsec-checkpoint/1"
_FIELDS = {"format": str, "domain": str, "time": int, "length": int, "digest": str, "signer": str}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``head`` of the chain of ``domain`` at ``time`` (Unix microseconds); ``signer`` is a public key (32 octets)."""

    domain: str
    time: int
    head: Head
    signer: bytes

    def _plain(self) -> dict[str, object]:
        return {
            "format": _FORMAT,
            "domain": self.domain,
            "time": self.time,
            "length": self.head.length,
            "digest": self.head.digest.hex(),
            "signer": self.signer.hex(),
        }

    @classmethod
    def sign(cls, domain: str, head: Head, key: Ed25519PrivateKey, now: float) -> tuple[Self, str]:
        """A checkpoint made now, and its line."""
        made = cls(domain, round(now * 1_000_000), head, key.public_key().public_bytes_raw())
        plain = made._plain()
        return made, json.dumps(plain | {"signature": key.sign(_octets(plain)).hex()}, sort_keys=True)

    @classmethod
    def read(cls, line: str, signer: bytes | None = None) -> Self:
        """The checkpoint in a line, whose signature holds; ``signer``: who must have signed it.

        :raises DecodeError: the line is none. :raises CheckFailed: the signature is wrong, or somebody else's.
        """
        try:
            plain = json.loads(line)
            signature = bytes.fromhex(plain.pop("signature"))
            if {name: type(value) for name, value in plain.items()} != _FIELDS or plain["format"] != _FORMAT:
                raise ValueError("not the fields of a checkpoint")
            head = Head(plain["length"], bytes.fromhex(plain["digest"]))
            found = cls(plain["domain"], plain["time"], head, bytes.fromhex(plain["signer"]))
            key = Ed25519PublicKey.from_public_bytes(found.signer)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DecodeError(f"no checkpoint of {_FORMAT}: {error}", code="audit.checkpoint") from None
        if signer is not None and found.signer != signer:
            raise CheckFailed(
                f"the checkpoint was signed by {found.signer.hex()}, not by {signer.hex()}",
                code="audit.signer",
            )
        try:
            key.verify(signature, _octets(plain))
        except InvalidSignature:
            raise CheckFailed("the signature of the checkpoint is wrong", code="audit.signature") from None
        return found


def _octets(plain: dict[str, object]) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
