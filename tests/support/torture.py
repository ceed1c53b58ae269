"""Messages made after the descriptions of RFC 4475, by the names that it gives them.

Elements may be liberal with some that the RFC calls invalid; those that we read are among the valid ones.
"""

from __future__ import annotations

DEFAULTS = {
    "Via": "SIP/2.0/UDP host.example;branch=z9hG4bKkdjuw",
    "From": "<sip:caller@example.net>;tag=34525",
    "To": "<sip:user@example.com>",
    "Call-ID": "torture.0ha0isndaksdj@192.0.2.1",
    "CSeq": "8 {method}",
    "Max-Forwards": "70",
}


def made(first: str, *extra: str, body: bytes = b"", **changed: str | None) -> bytes:
    """A message with the usual headers, some changed (``None``: left out), and further lines."""
    method = first.split()[0] if not first.startswith("SIP/") else "OPTIONS"
    lines = [first]
    for name, value in DEFAULTS.items():
        value = changed.get(name.replace("-", ""), value)
        if value is not None:
            lines.append(f"{name}: {value.format(method=method) if '{method}' in value else value}")
    return "\r\n".join([*lines, *extra, "", ""]).encode() + body


INVITE = "INVITE sip:user@example.com SIP/2.0"
OPTIONS = "OPTIONS sip:user@example.com SIP/2.0"

SHORT_TORTUOUS = (
    b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 3\r\n"
    b"cseq: 0009\r\n  INVITE\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    b"s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n"
    b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
    b"  secondparam ; q = 0.33\r\n\r\nv=0"
)

VALID = {
    "wsinv": SHORT_TORTUOUS,
    "intmeth": made(
        "!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
        ":&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0",
        "extensionHeader-!.%*+_`'~: \ufeff大停電",
        To='"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:1_unusual.URI~(to-be!sure)&isn$/crazy?,/;;*@example.com>',
    ),
    "esc01": made("INVITE sip:sips%3Auser%40example.com@example.net SIP/2.0", To="sip:%75se%72@example.com"),
    "escnull": made("REGISTER sip:example.com SIP/2.0", "Contact: <sip:%00@host5.example.com>"),
    "esc02": made("RE%47IST%45R sip:registrar.example.com SIP/2.0"),
    "lwsdisp": made("OPTIONS sip:user@example.com SIP/2.0", From="caller<sip:caller@example.com>;tag=323"),
    "longreq": made(
        INVITE,
        *[f"Via: SIP/2.0/TCP sip{i}.example.com" for i in range(33)],
        "F-unknown-" + "long" * 20 + ": x",
        From='"' + "I have a user name of extreme length " * 20 + '" <sip:caller@example.net>;tag=1',
    ),
    "dblreq": made("REGISTER sip:example.com SIP/2.0", "Content-Length: 0") + made(INVITE),
    "semiuri": made("OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"),
    "transports": made(
        OPTIONS,
        *[f"Via: SIP/2.0/{name} t.example.com;branch=z9hG4bK{name}" for name in ("SCTP", "TLS", "ODD")],
    ),
    "mpart01": made(
        "MESSAGE sip:kumiko@example.org SIP/2.0",
        'Content-Type: multipart/signed; boundary="7a9cbec02ceef655"',
        body=b"--7a9cbec02ceef655\r\n\r\n\x30\x82\x01\x52\x06\x00\x0d\x0a--7a9cbec02ceef655--\r\n",
    ),
    "unreason": made("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое"),
    "noreason": made("SIP/2.0 100 "),
    "badbranch": made(OPTIONS, Via="SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"),
    "inv2543": made(INVITE, Via="SIP/2.0/UDP iftgw.example.com", MaxForwards=None),
    "zeromf": made(OPTIONS, MaxForwards="0"),
    "unkscm": made("OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0"),
    "novelsc": made("OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"),
    "unksm2": made(
        "REGISTER sip:example.com SIP/2.0",
        "Contact: <name:John_Smith>",
        To="isbn:2983792873",
        From="<http://www.example.com>;tag=3234233",
    ),
    "bext01": made(
        OPTIONS, "Require: nothingSupportsThis, nothingSupportsThisEither", "Proxy-Require: noProxy"
    ),
    "invut": made(INVITE, "Content-Type: application/unknownformat", body=b"<audio>"),
    "regaut01": made(
        "REGISTER sip:example.com SIP/2.0", "Authorization: NoOneKnowsThisScheme opaque-data=here"
    ),
    "bcast": made("SIP/2.0 200 OK", Via="SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1"),
    "cparam01": made(
        "REGISTER sip:example.com SIP/2.0", "Contact: sip:+19725552222@gw1.example.net;unknownparam"
    ),
    "regescrt": made(
        "REGISTER sip:example.com SIP/2.0", "Contact: <sip:user@example.com?Route=%3Csip:sip.example%3E>"
    ),
    "cparam02": made(
        "REGISTER sip:example.com SIP/2.0", "Contact: <sip:+19725552222@gw1.example.net;unknownparam>"
    ),
    # Headers in a URI are passed over in a request URI; a Contact without brackets is read as if it had some.
    "escruri": made("INVITE sip:user@example.com?Route=%3Csip:example.com%3E SIP/2.0"),
    "regbadct": made(
        "REGISTER sip:example.com SIP/2.0", "Contact: sip:user@example.com?Route=%3Csip:sip.example.com%3E"
    ),
    "sdp01": made(INVITE, "Accept: text/nobodyKnowsThis", "Content-Type: application/sdp", body=b"v=0\r\n"),
    "badinv01-contact": made(INVITE, "Contact: <sip:caller@host5.example.net>;,,;", "Accept: ,;"),
    "trws": made("OPTIONS sip:remote-target@example.com SIP/2.0  "),
    "lwsstart": made("INVITE  sip:user@example.com  SIP/2.0"),
    "badaspec": made(
        "OPTIONS sip:user@example.org SIP/2.0", To='"Watson, Thomas" < sip:t.watson@example.org >'
    ),
    "baddn": made(
        "OPTIONS sip:t.watson@example.org SIP/2.0", From="Bell, Alexander <sip:a.g.bell@example.com>;tag=43"
    ),
    "baddate": made(INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST"),
    "test": made("NEWMETHOD sip:user@example.com SIP/2.0"),
}

INVALID = {
    "badinv01": (
        made(INVITE, 'Contact: "Joe" <sip:joe@example.org>;;;;', Via="SIP/2.0/UDP 192.0.2.15;;,;,,"),
        400,
    ),
    "clerr": (made(INVITE, "Content-Length: 9999", body=b"v=0\r\n"), 400),
    "ncl": (made(INVITE, "Content-Length: -999", body=b"v=0\r\n"), 400),
    "mcl01": (made(OPTIONS, "Content-Length: 13", "Content-Length: 5", body=b"There's no way"), 400),
    "scalar02": (made("REGISTER sip:example.com SIP/2.0", CSeq="36893488147419103232 REGISTER"), 400),
    "scalar02-mf": (made("REGISTER sip:example.com SIP/2.0", MaxForwards="300"), 400),
    "scalarlg": (made("SIP/2.0 503 Service Unavailable", CSeq="9292394834772304023312 OPTIONS"), None),
    "quotbal": (made(INVITE, To='"Mr. J. User <sip:j.user@example.com>'), 400),
    "ltgtruri": (made("INVITE <sip:user@example.com> SIP/2.0"), 400),
    "lwsruri": (made("INVITE sip:user@example.com; lr SIP/2.0"), 400),
    "badvers": (made("OPTIONS sip:t.watson@example.org SIP/7.0"), 505),
    "mismatch01": (made(OPTIONS, CSeq="8 INVITE"), 400),
    "mismatch02": (made("NEWMETHOD sip:user@example.com SIP/2.0", CSeq="8 INVITE"), 400),
    "bigcode": (made("SIP/2.0 4294967301 better not break the receiver"), None),
    "insuf": (made(INVITE, CallID=None, From=None, To=None), 400),
    "multi01": (
        made(INVITE, "From: <sip:other@example.net>;tag=1", "CSeq: 59 INVITE", "Max-Forwards: 5"),
        400,
    ),
}
