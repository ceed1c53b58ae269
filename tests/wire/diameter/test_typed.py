"""Groups and messages as classes: what is refused when a class is made, and when it is used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue
from mcsec.wire.diameter.avp import Avp
from mcsec.wire.diameter.base import Cea, Cer, Dpa, Dpr, Dwa, Dwr, ErrorAnswer, ProxyInfo
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import decode, encode_answer, encode_request
from mcsec.wire.diameter.typed import Group, grouped
from support.diameter import messages

_REQUEST = Header(280, 0, 0x80, 7, 8)


@pytest.mark.parametrize("cls", [Cer, Dwr, Dpr])
@given(data=st.data())
def test_base_requests_round_trip(cls: type[Group], data: st.DataObject) -> None:
    message = data.draw(messages(cls))
    header, body = decode(encode_request(message, 7, 8), cls)
    assert body == message
    assert header.is_request
    assert not header.is_error
    assert (header.hop_by_hop, header.end_to_end) == (7, 8)


@pytest.mark.parametrize("cls", [Cea, Dwa, Dpa, ErrorAnswer])
@given(data=st.data())
def test_base_answers_round_trip(cls: type[Group], data: st.DataObject) -> None:
    message = data.draw(messages(cls))
    header, body = decode(encode_answer(message, _REQUEST), cls)
    assert body == message
    assert not header.is_request
    assert header.is_error is (cls is ErrorAnswer)
    assert (header.command, header.hop_by_hop, header.end_to_end) == (280, 7, 8)


def test_a_misspelt_attribute_is_an_error() -> None:
    """python-diameter sends nothing for it, without a word (defect 6)."""
    with pytest.raises(TypeError):
        ProxyInfo(proxy_host="a", proxy_stat=b"")  # type: ignore[call-arg]  # the point of the test
    info = ProxyInfo(proxy_host="a", proxy_state=b"")
    with pytest.raises((AttributeError, TypeError)):
        info.proxy_hots = "b"  # type: ignore[attr-defined]  # the point of the test


def test_a_class_must_match_its_grammar() -> None:
    with pytest.raises(TypeError, match="proxy_state"):

        @grouped("Proxy-Info")
        class Short(Group):
            proxy_host: str

    with pytest.raises(TypeError, match="how often"):

        @grouped("Proxy-Info")
        class Optional(Group):
            proxy_host: str | None
            proxy_state: bytes

    with pytest.raises(TypeError, match="how often"):

        @grouped("TMGI-Expiry")
        class Single(Group):
            tmgi: bytes

    with pytest.raises(TypeError, match="no type"):

        @grouped("Proxy-Info")
        class Wrong(Group):
            proxy_host: str
            proxy_state: int


def test_what_is_missing_or_too_much_is_not_sent() -> None:
    with pytest.raises(InvalidValue, match="host_ip_address"):
        encode_request(
            Cer(origin_host="a", origin_realm="b", host_ip_address=(), vendor_id=0, product_name="c"), 1, 2
        )
    with pytest.raises(InvalidValue, match="origin_host"):
        encode_request(Dwr(origin_host=None, origin_realm="b"), 1, 2)  # type: ignore[arg-type]  # the point
    with pytest.raises(InvalidValue):
        encode_request(Dwr(origin_host="a", origin_realm="b", origin_state_id=-1), 1, 2)


def test_unknown_avps_without_the_m_bit_are_kept() -> None:
    extra = Avp(0xF0000001, b"abc", 99, 0)
    octets = encode_request(Dwr(origin_host="a", origin_realm="b", other=(extra,)), 1, 2)
    assert decode(octets, Dwr)[1].other == (extra,)
