"""URIs, addresses, Via, CSeq and parameters; sipmessage is the referee where both accept."""

from __future__ import annotations

import time

import pytest
import sipmessage
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import InvalidValue
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import Params, quote, split, unquote
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import CSeq, NameAddr, Via, decode_addresses, decode_vias

MCPTT = '+g.3gpp.icsi-ref="urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt"'


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sips:alice:secret@example.com:5061;transport=tcp?subject=a&to=b",
        "sip:example.com;lr",
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
        "sip:user;par=u%40example.net@example.com",
        "sip:[2001:db8::9:1]:5060;maddr=[2001:db8::255:1]",
        "tel:+358-555-1234567;postd=pp22",
        "urn:service:sos",
        "nobodyKnowsThisScheme:totallyopaquecontent",
    ],
)
def test_uris_come_back_as_written(text: str) -> None:
    scheme, _, rest = text.partition(":")
    assert Uri.decode(text).encode() == f"{scheme.lower()}:{rest}"


@pytest.mark.parametrize(
    "text",
    [
        "", "sip:", "sip", ":a@b", "sip:@host", "sip:a@", "sip:a@b:0", "sip:a@b:70000", "sip:a@b:x",
        "sip:a b@c",
        "sip:a@[::zz]", "sip:a@[1:2", "sip:a@b\r\nX: y", "sip:a@bé", 'sip:a@b;"', "<sip:a@b>", "1sip:a@b",
        "sip:a@b;=x", "sip:a@b c",
    ],
)  # fmt: skip
def test_what_is_no_uri_is_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        Uri.decode(text)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", True),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", True),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5", True),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER",
            "sip:biloxi.com;method=REGISTER;transport=tcp",
            True,
        ),
        ("sip:alice@a.com?subject=p&priority=u", "sip:alice@a.com?priority=u&subject=p", True),
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", False),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", False),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com", False),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next", False),
        ("sip:carol@c.com;security=on", "sip:carol@c.com;security=off", False),
        ("sip:c.com", "sip:@c.com".replace("@", "x@"), False),
        ("urn:service:sos", "urn:service:sos", True),
        ("urn:service:sos", "urn:service:sos.fire", False),
    ],
)
def test_uris_match_as_rfc_3261_19_1_4_says(one: str, other: str, same: bool) -> None:
    assert Uri.decode(one).matches(Uri.decode(other)) is same
    assert Uri.decode(other).matches(Uri.decode(one)) is same


def test_the_address_of_record_is_a_plain_key() -> None:
    assert Uri.decode("sip:%61lice@MC.Example:5070;lr?x=y").address_of_record() == "sip:alice@mc.example"
    assert Uri.decode("sip:MC.Example").address_of_record() == "sip:mc.example"
    assert Uri.decode("tel:+1").address_of_record() == "tel:+1"


@pytest.mark.parametrize(
    ("text", "uri", "name", "params"),
    [
        ("sip:a@b;tag=1", "sip:a@b", "", ";tag=1"),
        ("<sip:a@b;x=1>;tag=1", "sip:a@b;x=1", "", ";tag=1"),
        ('"A, \\"B\\" <C>"<sip:a@b>', "sip:a@b", 'A, "B" <C>', ""),
        ("Bell, Alexander <sip:a@b> ; tag = 43", "sip:a@b", "Bell, Alexander", ";tag=43"),
        ('"Watson" < sip:t@b >', "sip:t@b", "Watson", ""),
        (f"<sip:a@b>;+g.3gpp.mcptt;{MCPTT}", "sip:a@b", "", f";+g.3gpp.mcptt;{MCPTT}"),
        ("*", "*", "", ""),
        ("*;+g.3gpp.mcptt;require;explicit", "*", "", ";+g.3gpp.mcptt;require;explicit"),
        ("<sip:a@b?Route=%3Csip:c%3E>;;expires=1", "sip:a@b?Route=%3Csip:c%3E", "", ";expires=1"),
    ],
)
def test_addresses(text: str, uri: str, name: str, params: str) -> None:
    address = NameAddr.decode(text)
    assert (address.uri, address.name, address.params.encode()) == (uri, name, params)
    assert NameAddr.decode(address.encode()) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        '"Mr. J. User <sip:j@b>',
        "<sip:a@b",
        "sip:a@b>",
        "<sip:a b>",
        "<a><b>",
        '"a" "b" <sip:a@b>',
        "<a> b=1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        NameAddr.decode(text)


def test_a_list_is_split_outside_quotes_and_brackets() -> None:
    values = ('"a,b;c\\"," <sip:a@b;x,y>;q=0.5, <sip:c@d> ,', "sip:e@f")
    assert [address.uri for address in decode_addresses(values)] == ["sip:a@b;x,y", "sip:c@d", "sip:e@f"]
    assert split("a;b,c", ",") == ["a;b", "c"]
    with pytest.raises(BadMessage):
        split('<sip:a@b>, "open', ",")


def test_feature_tags_keep_their_quotes() -> None:
    params = (
        Params().with_("+g.3gpp.mcptt").with_("+g.3gpp.icsi-ref", "urn%3Aa", quoted=True).with_("q", "0.5")
    )
    assert params.encode() == ';+g.3gpp.mcptt;+g.3gpp.icsi-ref="urn%3Aa";q=0.5'
    assert params.get("+G.3GPP.ICSI-REF") == "urn%3Aa"
    assert params.with_("Q", 1).without("+g.3gpp.mcptt").encode() == ';+g.3gpp.icsi-ref="urn%3Aa";q=1'
    assert Params.decode('; a ="x;y=z" ;b').items == (("a", '"x;y=z"'), ("b", None))
    assert Params().with_("n", "two words").encode() == ';n="two words"'


@pytest.mark.parametrize(("name", "value"), [("a b", "x"), ("", "x"), ("a", "x\r\ny")])
def test_parameters_are_written_strictly(name: str, value: str) -> None:
    with pytest.raises(InvalidValue):
        Params().with_(name, value)


@pytest.mark.parametrize(
    ("text", "transport", "sent_by", "branch"),
    [
        ("SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1", "UDP", ("192.0.2.2", 5060), "z9hG4bK1"),
        ("SIP  /  2.0  /  tls  Host.Example : 5062 ; branch = z9 ", "TLS", ("host.example", 5062), "z9"),
        ("SIP/2.0/TLS [2001:db8::9]", "TLS", ("[2001:db8::9]", 5061), None),
        ("SIP/2.0/UNKNOWN my_host", "UNKNOWN", ("my_host", 5060), None),
    ],
)
def test_via(text: str, transport: str, sent_by: tuple[str, int], branch: str | None) -> None:
    via = Via.decode(text)
    assert (via.transport, via.sent_by, via.branch) == (transport, sent_by, branch)
    assert Via.decode(via.encode()) == via


@pytest.mark.parametrize(
    "text", ["", "SIP/2.0", "SIP/2.0/UDP", "SIP/3.0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/ h"]
)
def test_what_is_no_via_is_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        Via.decode(text)


def test_vias_on_one_line_are_several() -> None:
    assert [
        via.host for via in decode_vias(('SIP/2.0/UDP a;x="1,2", SIP/2.0/TCP b', "SIP/2.0/TLS c"))
    ] == list("abc")


@pytest.mark.parametrize(
    "text", ["", "1", "INVITE", "-1 INVITE", "2147483648 INVITE", "٣ INVITE", "1 IN VITE", "1 I<"]
)
def test_what_is_no_cseq_is_refused(text: str) -> None:
    with pytest.raises(BadMessage):
        CSeq.decode(text)


def test_cseq() -> None:
    assert CSeq.decode(" 0009 \t INVITE") == CSeq(9, "INVITE")
    assert CSeq(2147483647, "A").encode() == "2147483647 A"


@given(st.text(max_size=50))
def test_quoting_is_undone_by_unquoting(text: str) -> None:
    assert unquote(quote(text)) == text


@pytest.mark.parametrize("decode", [Uri.decode, NameAddr.decode, Via.decode, CSeq.decode, Params.decode])
@given(text=st.text(alphabet='sip:@;,<>"\\=[]?/ \t.aZ02SIPUD%é\x00', max_size=40))
def test_arbitrary_text_raises_nothing_else(decode: object, text: str) -> None:
    try:
        value = decode(text)  # type: ignore[operator]  # each of the five takes one text
    except BadMessage:
        return
    value.encode()


HOSTILE = 30_000


@pytest.mark.parametrize(
    ("decode", "text"),
    [
        (NameAddr.decode, " " * HOSTILE + '"<'),
        (NameAddr.decode, '"' + '\\"' * HOSTILE),
        (NameAddr.decode, "<" * HOSTILE),
        (NameAddr.decode, "<sip:a@b>" + ';a=""' * HOSTILE + '"'),
        (Via.decode, "SIP/2.0/UDP " + "a-" * HOSTILE + "!"),
        (Uri.decode, "sip:" + "a-" * HOSTILE + "!"),
        (Params.decode, ";" * HOSTILE + '"'),
        (CSeq.decode, "1" + " " * HOSTILE),
    ],
)
def test_hostile_values_cost_no_more_than_their_length(decode: object, text: str) -> None:
    began = time.process_time()
    with pytest.raises(BadMessage):
        decode(text)  # type: ignore[operator]  # as above
    # Of the processor's time: with its length it grows to milliseconds, with the square of it to many seconds.
    assert time.process_time() - began < 5.0


SAFE_USER = st.from_regex(r"[a-z0-9\-_.!~*()&=+$,;?/]{1,12}", fullmatch=True)
SAFE_HOST = st.from_regex(r"([a-z][a-z0-9]{0,6}\.){0,3}[a-z]{2,6}", fullmatch=True)


@given(
    SAFE_USER, SAFE_HOST, st.integers(1, 65535) | st.none(), st.sampled_from(["", ";lr", ";transport=tcp;ob"])
)
def test_the_referee_reads_our_uris_the_same(user: str, host: str, port: int | None, params: str) -> None:
    text = f"sip:{user}@{host}{'' if port is None else f':{port}'}{params}"
    ours, theirs = Uri.decode(text), sipmessage.URI.parse(text)
    assert (ours.scheme, ours.user, ours.host, ours.port) == (
        theirs.scheme,
        theirs.user,
        theirs.host,
        theirs.port,
    )
    assert {name: ours.params.get(name) for name, _ in ours.params.items} == dict(theirs.parameters)


@given(SAFE_HOST, st.integers(1, 65535), st.from_regex(r"z9hG4bK[a-zA-Z0-9]{1,20}", fullmatch=True))
def test_the_referee_reads_our_vias_the_same(host: str, port: int, branch: str) -> None:
    text = Via("TCP", host, port, Params().with_("branch", branch).with_("rport")).encode()
    theirs = sipmessage.Via.parse(text)
    assert (theirs.transport, theirs.host, theirs.port, theirs.parameters["branch"]) == (
        "TCP",
        host,
        port,
        branch,
    )
    assert theirs.parameters["rport"] is None
