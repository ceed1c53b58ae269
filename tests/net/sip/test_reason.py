"""Why a BYE comes (RFC 3326)."""

from __future__ import annotations

import pytest

from mcsec.net.sip.compose import make_request
from mcsec.net.sip.message import Request
from mcsec.net.sip.reason import Reason


def bye(*values: str) -> Request:
    return make_request(
        "BYE", "sip:bob@b.example", from_="sip:ann@a.example", headers=[("Reason", value) for value in values]
    )


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ('SIP ;cause=200 ;text="Call completed elsewhere"', Reason(200, "Call completed elsewhere")),
        ('Q.850;cause=16;text="Terminated", sip;cause=403', Reason(403)),
        ('SIP;cause=580;text="says \\"no\\", and goes"', Reason(580, 'says "no", and goes')),
        ('Q.850;cause=16;text="Terminated"', None),
        ("SIP;text=gone", None),
        ("SIP;cause=soon", None),
        ('SIP;cause=403;text="open', None),
    ],
)
def test_what_others_write(value: str, meant: Reason | None) -> None:
    assert Reason.of(bye(value)) == meant


def test_what_we_write_is_read() -> None:
    for one in (Reason(403, 'no "member" any more'), Reason(480)):
        name, value = one.header()
        assert (name, Reason.of(bye(value))) == ("Reason", one)


def test_nothing_and_too_much() -> None:
    assert Reason.of(bye()) is None
    found = Reason.of(bye(f'SIP;cause=403;text="{"x" * 5000}"'))
    assert found is not None
    assert len(found.text) == 200
