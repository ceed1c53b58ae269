"""The table of a key's life."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import WrongState
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, make
from mcsec.keys.lifecycle import TRANSITIONS, Epoch, KeyState, Step

KEY = make(PurposeTag.MUSIK, maker=Maker("a.example", "sip:mcx.a.example"), now=0.0)


def test_every_state_is_in_the_table_and_reachable() -> None:
    assert set(TRANSITIONS) == set(KeyState)
    reached = {KeyState.MADE} | {target for row in TRANSITIONS.values() for target in row.values()}
    assert reached == set(KeyState)


def test_every_step_leads_somewhere() -> None:
    assert {step for row in TRANSITIONS.values() for step in row} == set(Step)


def test_destroyed_is_the_one_end() -> None:
    assert [state for state, row in TRANSITIONS.items() if not row] == [KeyState.DESTROYED]


def test_what_is_retiring_or_revoked_is_never_sent_under_again() -> None:
    def beyond(state: KeyState) -> set[KeyState]:
        return {state}.union(*(beyond(target) for target in TRANSITIONS[state].values()))

    for state in (KeyState.RETIRING, KeyState.REVOKED, KeyState.DESTROYED):
        assert not {KeyState.OFFERED, KeyState.ACTIVE} & beyond(state)


@given(st.lists(st.sampled_from(Step), max_size=8))
def test_an_epoch_follows_the_table_and_nothing_else(steps: list[Step]) -> None:
    epoch = Epoch(KEY)
    for now, step in enumerate(steps):
        target = TRANSITIONS[epoch.state].get(step)
        if target is None:
            with pytest.raises(WrongState) as caught:
                epoch.after(step, float(now))
            assert caught.value.code == "keys.no-such-step"
            assert KEY.secret.reveal().hex() not in str(caught.value)
        else:
            epoch = epoch.after(step, float(now))
            assert (epoch.state, epoch.since, epoch.key) == (target, float(now), KEY)
