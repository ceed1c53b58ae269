"""Digest authentication: the published example, replays, old nonces, and both sides against each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec._core import Secret
from mcsec.errors import CheckFailed, InvalidValue
from mcsec.net.sip.auth import DigestClient, DigestServer, Unauthorized
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.digest import DigestFields, proof, user_hash
from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.message import Request, Response

PASSWORD = Secret(b"Circle of Life")
REALM = "http-auth@example.org"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_3_9_1(algorithm: str, expected: str) -> None:
    fields = DigestFields(
        {
            "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
            "uri": "/dir/index.html",
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        }
    )
    assert proof(user_hash("Mufasa", REALM, PASSWORD, algorithm), "GET", fields, algorithm) == expected


def lookup(user: str, algorithm: str) -> Secret | None:
    return user_hash("Mufasa", REALM, PASSWORD, algorithm) if user == "Mufasa" else None


def request(uri: str = "sip:mc.example", method: str = "REGISTER") -> Request:
    return make_request(
        method, uri, from_="sip:mufasa@mc.example", headers=[("Via", "SIP/2.0/TCP h;branch=z9hG4bK1")]
    )


def refused(server: DigestServer, asked: Request, now: float) -> Unauthorized:
    with pytest.raises(Unauthorized) as caught:
        server.verify(asked, now)
    return caught.value


def answered(server: DigestServer, client: DigestClient, now: float = 100.0) -> Request:
    return client.authorize(request(), server.challenge(request(), now))


@pytest.mark.parametrize("proxy", [False, True])
def test_both_sides_understand_each_other(proxy: bool) -> None:
    server = DigestServer(REALM, lookup, proxy=proxy)
    challenge = server.challenge(request(), 100.0)
    assert challenge.status == (407 if proxy else 401)
    offered = challenge.headers.all("Proxy-Authenticate" if proxy else "WWW-Authenticate")
    assert [DigestFields.decode(value).get("algorithm") for value in offered] == ["SHA-256", "MD5"]  # type: ignore[union-attr]  # ours are Digest
    asked = DigestClient("Mufasa", PASSWORD).authorize(request(), challenge)
    value = asked.headers.get("Proxy-Authorization" if proxy else "Authorization") or ""
    assert "algorithm=SHA-256, qop=auth, nc=00000001" in value
    assert server.verify(asked, 101.0) == "Mufasa"


def test_credentials_count_once() -> None:
    server, client = DigestServer(REALM, lookup), DigestClient("Mufasa", PASSWORD)
    first = answered(server, client)
    second, third = client.apply(request()), client.apply(request())
    assert server.verify(first, 100.0) == server.verify(third, 100.0) == "Mufasa"
    for replayed in (first, second, third):
        assert refused(server, replayed, 100.0).stale


def test_an_old_nonce_is_stale_and_the_client_goes_on() -> None:
    server, client = DigestServer(REALM, lookup, nonce_life=60.0), DigestClient("Mufasa", PASSWORD)
    old = answered(server, client)
    assert refused(server, old, 161.0).stale
    again = client.authorize(old, server.challenge(old, 161.0, stale=True))
    assert server.verify(again, 161.0) == "Mufasa"
    assert len(again.headers.all("Authorization")) == 1


def test_a_nonce_of_a_former_life_is_stale_only_with_the_right_password() -> None:
    before, after = DigestServer(REALM, lookup), DigestServer(REALM, lookup)
    assert refused(after, answered(before, DigestClient("Mufasa", PASSWORD)), 100.0).stale
    assert not refused(after, answered(before, DigestClient("Mufasa", Secret(b"guess"))), 100.0).stale
    key = Secret(b"k" * 32)
    before, after = DigestServer(REALM, lookup, key=key), DigestServer(REALM, lookup, key=key)
    assert after.verify(answered(before, DigestClient("Mufasa", PASSWORD)), 100.0) == "Mufasa"


def test_what_is_forgotten_is_not_taken_as_new() -> None:
    server = DigestServer(REALM, lookup, remembered=2)
    kept = [answered(server, DigestClient("Mufasa", PASSWORD), 100.0 + number) for number in range(4)]
    for asked in kept:
        server.verify(asked, 104.0)
    for asked in kept:
        assert refused(server, asked, 104.0).stale


def changed(asked: Request, **fields: str) -> Request:
    found = DigestFields.decode(asked.headers.get("Authorization") or "")
    assert found is not None
    values = {name: value for name, value in (found.values | fields).items() if value}
    headers = asked.headers.set("Authorization", DigestFields(values).encode(challenge=False))
    return Request(asked.method, asked.uri, headers=headers)


@pytest.mark.parametrize(
    "fields",
    [
        {"response": "0" * 64},
        {"response": ""},
        {"username": "Simba"},
        {"realm": "other"},
        {"uri": "sip:other.example"},
        {"qop": ""},
        {"qop": "auth-int"},
        {"nc": "1"},
        {"nc": "00000002"},
        {"cnonce": ""},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-512-256"},
        {"nonce": "0" * 60},
    ],
)
def test_changed_credentials_are_refused(fields: dict[str, str]) -> None:
    server = DigestServer(REALM, lookup)
    asked = answered(server, DigestClient("Mufasa", PASSWORD))
    assert not refused(server, changed(asked, **fields), 100.0).stale
    assert server.verify(asked, 100.0) == "Mufasa"


def test_behind_a_proxy_that_rewrites_the_uri_it_may_differ() -> None:
    server = DigestServer(REALM, lookup, check_uri=False)
    asked = answered(server, DigestClient("Mufasa", PASSWORD))
    moved = Request(asked.method, "sip:rewritten.example", headers=asked.headers)
    assert server.verify(moved, 100.0) == "Mufasa"


def test_credentials_for_one_method_are_none_for_another() -> None:
    server = DigestServer(REALM, lookup)
    asked = answered(server, DigestClient("Mufasa", PASSWORD))
    moved = Request("MESSAGE", asked.uri, headers=asked.headers)
    assert not refused(server, moved, 100.0).stale


def test_other_schemes_and_no_credentials_are_refused() -> None:
    server = DigestServer(REALM, lookup)
    refused(server, request(), 100.0)
    bearer = request()
    refused(
        server,
        Request("REGISTER", bearer.uri, headers=bearer.headers.set("Authorization", "Bearer x")),
        100.0,
    )


def challenge(*values: str, status: int = 401) -> Response:
    return make_response(request(), status, headers=[("WWW-Authenticate", value) for value in values])


@pytest.mark.parametrize(
    "value",
    [
        'Digest realm="a", nonce="n", algorithm=SHA-512',
        'Digest realm="a"',
        'Digest realm="a", nonce="n", qop="auth-int"',
        'Basic realm="a"',
        "Digest realm",
        'Digest realm="a", realm="b", nonce="n"',
    ],
)
def test_challenges_that_cannot_be_answered(value: str) -> None:
    with pytest.raises(BadMessage):
        DigestClient("Mufasa", PASSWORD).authorize(request(), challenge(value))


def test_a_challenge_without_qop_is_answered_as_rfc_2069_did() -> None:
    asked = DigestClient("Mufasa", PASSWORD).authorize(
        request(),
        challenge(
            'Digest realm="a", nonce="n", opaque="o", qop="auth,auth-int"', 'Digest realm="b", nonce="m"'
        ),
    )
    fields = DigestFields.decode(asked.headers.get("Authorization") or "")
    assert fields is not None
    assert (fields.get("realm"), fields.get("opaque"), fields.get("algorithm")) == ("a", "o", "MD5")
    plain = DigestClient("Mufasa", PASSWORD).authorize(request(), challenge('Digest realm="b", nonce="m"'))
    assert "nc=" not in (plain.headers.get("Authorization") or "")


def test_a_client_does_not_try_twice() -> None:
    client = DigestClient("Mufasa", PASSWORD)
    asked = client.authorize(request(), challenge('Digest realm="a", nonce="n"'))
    with pytest.raises(CheckFailed):
        client.authorize(asked, challenge('Digest realm="a", nonce="n2"'))


def test_nothing_shows_the_password() -> None:
    client = DigestClient("Mufasa", PASSWORD)
    asked = answered(DigestServer(REALM, lookup), client)
    fields = DigestFields.decode(asked.headers.get("Authorization") or "")
    assert "Circle" not in repr(client) + repr(asked) + repr(fields)
    assert ((fields and fields.get("response")) or "x") not in repr(fields)


def test_only_known_algorithms_are_offered() -> None:
    with pytest.raises(InvalidValue):
        DigestServer(REALM, lookup, algorithms=("SHA-1",))


@given(st.text(alphabet='Digest abc="\\,=\t01', max_size=60))
def test_arbitrary_text_raises_nothing_else(text: str) -> None:
    server = DigestServer(REALM, lookup)
    asked = request()
    asked = Request("REGISTER", asked.uri, headers=asked.headers.set("Authorization", "Digest " + text))
    with pytest.raises((BadMessage, Unauthorized)):
        server.verify(asked, 1.0)
