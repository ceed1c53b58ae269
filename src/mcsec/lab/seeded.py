"""``mcsec demo --seed``: a run that can be repeated. For tests only: who knows the seed has every key.

While :func:`fixed_randomness` lasts, everything that is drawn in this process for a demo comes from the seed: master
secrets, keys, key IDs, RANDs, SSRCs, addresses and ports. Times are those of the run; signatures and the IVs of key
parameters stay random, so that not even here a nonce signs or seals two things. No other room knows of this file,
and nothing but the demo calls it: what draws elsewhere has no switch that could be left on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from mcsec import ids
from mcsec.crypto.kms_keys import KmsMasterKeys, MasterSecrets
from mcsec.crypto.secret import Secret
from mcsec.keys import key, reservation
from mcsec.lab import air

WARNING = (
    "WARNING: --seed makes every key of this run from the seed. Whoever knows it reads all. For tests only."
)


class _Stream:
    """Octets that a seed determines: SHA-256 of seed and counter. Stands in for the module ``secrets``."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode(errors="surrogateescape")
        self._blocks = 0
        self._rest = b""

    def token_bytes(self, count: int) -> bytes:
        """The next ``count`` octets."""
        while len(self._rest) < count:
            self._blocks += 1
            self._rest += hashlib.sha256(self._blocks.to_bytes(8) + self._seed).digest()
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def randbits(self, count: int) -> int:
        """A number of ``count`` bits."""
        return int.from_bytes(self.token_bytes(-(-count // 8))) & (1 << count) - 1

    def randbelow(self, bound: int) -> int:
        """A number below ``bound``; even enough for addresses and ports."""
        return self.randbits(64) % bound

    def random(self, length: int) -> Secret:
        """A key. So that this object can stand in for the class ``Secret`` too."""
        return Secret(self.token_bytes(length))

    def generate(self) -> KmsMasterKeys:
        """Master secrets of a KMS, below the order of either curve."""
        ksak = Secret(b"\0" + self.token_bytes(31))
        return KmsMasterKeys.from_secrets(MasterSecrets(self.random(120), ksak))


@contextmanager
def fixed_randomness(seed: str) -> Iterator[None]:
    """Draws from ``seed`` until the block ends."""
    stream = _Stream(seed)
    places: list[tuple[object, str, object]] = [
        (ids, "secrets", stream),
        (key, "secrets", stream),
        (key, "Secret", stream),
        (reservation, "secrets", stream),
        (air, "secrets", stream),
        (KmsMasterKeys, "generate", stream.generate),
    ]
    kept = [(owner, name, vars(owner)[name]) for owner, name, _ in places]
    try:
        for owner, name, drawn in places:
            setattr(owner, name, drawn)
        yield
    finally:
        for owner, name, genuine in kept:
            setattr(owner, name, genuine)
