"""What the processes of a soak agree on: the domain, its KMS, who the users are, and what is counted of them."""

from __future__ import annotations

import hashlib
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys, MasterSecrets
from mcsec.crypto.secret import Secret
from mcsec.ids import KeyId

DOMAIN = "soak.example"
GROUP = f"sip:group@{DOMAIN}"
MDSI = f"mcx.{DOMAIN}"
PSI = f"sip:mcptt@{DOMAIN}"
KMS_URI = f"kms.{DOMAIN}"
PERIOD = 2_592_000


def user(number: int) -> str:
    """The MC service ID of a simulated user, and its IMPU."""
    return f"sip:u{number}@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class Kms:
    """The KMS of a soak: its master keys are made for it and end with it, so every process may have them."""

    master: KmsMasterKeys
    public: KmsPublicKeys

    @classmethod
    def of(cls, master: KmsMasterKeys) -> Self:
        """With tables as small as they get."""
        return cls(master, master.public(KMS_URI, PERIOD))

    @classmethod
    def decode(cls, text: str) -> Self:
        """From what :meth:`encode` gave."""
        z, ksak = (Secret(bytes.fromhex(part)) for part in text.split(" "))
        return cls.of(KmsMasterKeys.from_secrets(MasterSecrets(z, ksak)))

    def encode(self) -> str:
        """For the standard input of another process of the soak."""
        return " ".join(secret.reveal().hex() for secret in self.master.export())

    def identity(self, uri: str, now: float, *, compact: bool) -> IdentityKeys:
        """The keys of somebody, validated as by every client."""
        period = self.public.period_at(now)
        material = self.master.extract(self.public.uid_in(uri, period))
        return IdentityKeys.validate(
            self.public, uri, period, material.rsk, material.ssk, material.pvt, compact=compact
        )


@dataclass(slots=True)
class Account:
    """What one side says of all its users; both sides must say the same.

    ``users`` affiliated to the group; ``holders`` by key ID in hex. ``digest``: over the lines of all users, each with
    the ID of its CSK and of every MuSiK it holds, so that equal numbers of different users do not pass.
    """

    users: int = 0
    csks: int = 0
    holders: dict[str, int] = field(default_factory=dict)
    digest: str = "0" * 64

    def add(self, name: str, affiliated: bool, csk: KeyId | None, musiks: Iterable[KeyId]) -> None:
        """One more user. The order of users does not count."""
        held = sorted(str(key_id) for key_id in musiks)
        self.users += affiliated
        self.csks += csk is not None
        for key_id in held:
            self.holders[key_id] = self.holders.get(key_id, 0) + 1
        line = " ".join([name, str(affiliated), str(csk), *held])
        self._mix(hashlib.sha256(line.encode()).hexdigest())

    def merge(self, other: Account) -> None:
        """The users of another process too."""
        self.users += other.users
        self.csks += other.csks
        for key_id, count in other.holders.items():
            self.holders[key_id] = self.holders.get(key_id, 0) + count
        self._mix(other.digest)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"users": self.users, "csks": self.csks, "holders": self.holders, "digest": self.digest}

    def _mix(self, digest: str) -> None:
        self.digest = f"{(int(self.digest, 16) + int(digest, 16)) % 2**256:064x}"


def peak_octets() -> int:
    """The most memory that this process ever had."""
    # What getrusage says includes the process that this one was forked from.
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
