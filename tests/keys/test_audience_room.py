"""An audience that was large on unicast costs each packet nothing once it is on the bearer."""

from __future__ import annotations

import sys

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.audience import Audience
from mcsec.keys.key import Maker, make

KEY: KeyId = make(PurposeTag.MUSIK, maker=Maker("a.example", "mcx.a.example"), now=1e9).key_id
NAMES = [f"sip:user{number}@a.example" for number in range(20_000)]


def test_nothing_is_left_of_a_crowd_that_moved_to_the_bearer() -> None:
    audience = Audience(NAMES, NAMES)
    for name in NAMES:
        audience.hold(name, KEY)
        audience.place(name, KEY, 1e9)
    assert not audience.unicast
    assert len(audience.broadcast) == len(NAMES)
    # Iteration walks through all the room that a set has.
    assert sys.getsizeof(audience.unicast) < 1000


def test_one_straggler_costs_as_one() -> None:
    audience = Audience(NAMES, NAMES)
    for name in NAMES[1:]:
        audience.leave(name)
    assert audience.unicast == {NAMES[0]}
    assert sys.getsizeof(audience.unicast) < 1000
