"""The one SRTP profile: what we state we accept, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import Refused
from mcsec.ids import PurposeTag
from mcsec.mikey.cursor import Cursor
from mcsec.mikey.payloads import SecurityPolicy
from mcsec.mikey.policy import check_policy, policy_for

STREAMWIDE = "0000001b00010601011002010404010c050100060100120104130100140110"


@pytest.mark.parametrize("tag", PurposeTag)
def test_what_is_sent_is_accepted(tag: PurposeTag) -> None:
    check_policy(policy_for(tag))


def test_group_media_carries_the_rollover_counter_and_signalling_does_not() -> None:
    assert policy_for(PurposeTag.GMK).encode().hex() == (
        "0000001e00010601011002010404010c0501000601000d0101120104130100140110"
    )
    assert policy_for(PurposeTag.MUSIK).encode().hex() == "00000012" + "00010601011004010c050100060100140110"


def test_a_policy_of_another_implementation_is_accepted() -> None:
    check_policy(SecurityPolicy.decode(Cursor(bytes.fromhex(STREAMWIDE))))


@pytest.mark.parametrize("tag", [PurposeTag.GMK, PurposeTag.MUSIK])
@given(data=st.data())
def test_any_other_value_is_refused(tag: PurposeTag, data: st.DataObject) -> None:
    parameters = list(policy_for(tag).parameters)
    at = data.draw(st.integers(0, len(parameters) - 1))
    number, value = parameters[at]
    parameters[at] = (number, data.draw(st.binary(max_size=3).filter(lambda other: other != value)))
    with pytest.raises(Refused) as caught:
        check_policy(SecurityPolicy(tuple(parameters)))
    assert caught.value.code == "mikey.policy"


@pytest.mark.parametrize("number", [3, 7, 8, 10, 11, 12, 17, 21, 255])
def test_parameters_without_a_supported_value_are_refused(number: int) -> None:
    with pytest.raises(Refused):
        check_policy(SecurityPolicy(((number, b"\1"),)))


def test_other_protocols_are_refused() -> None:
    with pytest.raises(Refused):
        check_policy(SecurityPolicy((), protocol=1))
