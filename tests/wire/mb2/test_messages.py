"""Every MB2-C command that its grammar allows goes through the codec unchanged."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, encode_answer, encode_request
from mcsec.wire.diameter.table import MB2C
from mcsec.wire.diameter.typed import Group
from mcsec.wire.mb2.messages import APPLICATION, Gaa, Gar, Gna, Gnr
from support.diameter import messages

#: These groups are deep; drawing one takes a while.
deep = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize(("cls", "code"), [(Gar, 8388662), (Gnr, 8388663)])
@deep
@given(data=st.data())
def test_requests_round_trip(cls: type[Group], code: int, data: st.DataObject) -> None:
    message = data.draw(messages(cls))
    header, body = decode(encode_request(message, 1, 2), cls)
    assert body == message
    assert (header.command, header.application, header.flags) == (code, MB2C, 0xC0)


@pytest.mark.parametrize("cls", [Gaa, Gna])
@deep
@given(data=st.data())
def test_answers_round_trip(cls: type[Group], data: st.DataObject) -> None:
    message = data.draw(messages(cls))
    header, body = decode(encode_answer(message, Header(8388662, MB2C, 0xC0, 1, 2)), cls)
    assert body == message
    assert (header.command, header.application, header.flags) == (8388662, MB2C, 0x40)


def test_the_application_knows_its_exchanges() -> None:
    assert APPLICATION.request_classes() == {8388662: Gar, 8388663: Gnr}
    assert APPLICATION.answer_of(Gar) is Gaa
    assert APPLICATION.answer_of(Gnr) is Gna
