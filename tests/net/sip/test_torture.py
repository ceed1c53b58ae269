"""RFC 4475: messages made after its descriptions. Valid ones are read, the others refused; none crashes."""

from __future__ import annotations

import pytest

from mcsec.net.sip.compose import answer_to_bad, make_response
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.message import Message, Request, Response, decode, encode
from support.torture import INVALID, SHORT_TORTUOUS, VALID

#: Every test of RFC 4475 section 3.
NAMES = """
wsinv intmeth esc01 escnull esc02 lwsdisp longreq dblreq semiuri transports mpart01 unreason noreason badinv01 clerr ncl
scalar02 scalarlg quotbal ltgtruri lwsruri lwsstart trws escruri baddate regbadct badaspec baddn badvers mismatch01
mismatch02 bigcode badbranch insuf unkscm novelsc unksm2 bext01 invut regaut01 multi01 mcl01 bcast zeromf cparam01
cparam02 regescrt sdp01 inv2543
"""


def test_every_message_of_the_rfc_is_here() -> None:
    assert VALID.keys() | INVALID.keys() >= set(NAMES.split())
    assert not VALID.keys() & INVALID.keys()


@pytest.mark.parametrize("name", VALID)
def test_valid_messages_are_read_and_can_be_answered(name: str) -> None:
    message: Message = decode(VALID[name])
    again = decode(encode(message), stream=True)
    assert again == message
    if isinstance(message, Request):
        response = decode(encode(make_response(message, 200)))
        assert isinstance(response, Response)
        assert response.cseq.method == message.method


@pytest.mark.parametrize("name", INVALID)
def test_invalid_messages_are_refused_with_the_right_answer(name: str) -> None:
    octets, status = INVALID[name]
    with pytest.raises(BadMessage) as caught:
        decode(octets)
    assert caught.value.status == status
    response = answer_to_bad(caught.value)
    if response is not None:
        assert response.status == status
        encode(response)


def test_the_tortuous_invite_says_what_it_says() -> None:
    message = decode(SHORT_TORTUOUS)
    assert isinstance(message, Request)
    assert (message.to.tag, message.from_.tag) == ("1918181833n", "98asjd8")
    assert message.from_.name == 'J Rosenberg \\"'
    assert message.cseq.number == 9
    assert [(via.transport, via.branch) for via in message.vias] == [
        ("UDP", "390skdjuw"),
        ("TCP", "z9hG4bK9ikj8"),
        ("UDP", "z9hG4bK30239"),
    ]
    assert message.contacts[0].params.get("q") == "0.33"
    assert message.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.body == b"v=0"


def test_two_requests_in_one_datagram_are_the_first_one() -> None:
    message = decode(VALID["dblreq"])
    assert isinstance(message, Request)
    assert (message.method, message.body) == ("REGISTER", b"")
