"""Keys and rotations for tests."""

from __future__ import annotations

from mcsec.ids import PurposeTag
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.rotation import STANDARD, Rotation, RotationPolicy

SERVER_A = Maker("a.example", "sip:mcx.a.example")
GMS_B = Maker("b.example", "sip:gms.b.example")


def musik(scope: Scope = DEFAULT, now: float = 0.0, **times: float) -> Key:
    return make(PurposeTag.MUSIK, scope=scope, maker=SERVER_A, now=now, **times)


def rotation(*members: str, policy: RotationPolicy = STANDARD, listening: bool = True) -> Rotation:
    """A rotation of the default MuSiK whose members all listen."""
    made = Rotation(PurposeTag.MUSIK, policy=policy)
    for member in members:
        made.admit(member)
        if listening:
            made.listen(member, 0.0)
    return made
