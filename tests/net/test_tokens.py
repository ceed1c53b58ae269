"""Access tokens: keys of issuers fetched, kept and renewed; memory bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from mcsec.errors import DecodeError, PeerError
from mcsec.net import tokens
from mcsec.net.issuer import LocalIssuer
from mcsec.net.tokens import Claims, Issuer, TokenRefused, TokenValidator, bearer, read_jwks

pytestmark = pytest.mark.anyio

NOW = 1_795_435_200.0
NAME = "https://id.example"


class Idp:
    """An issuer whose JWKS can change, fail, and counts how often it is asked."""

    def __init__(self) -> None:
        self.signer = LocalIssuer.generate(NAME)
        self.fetched = 0
        self.fails = False

    async def fetch(self) -> Mapping[str, Any]:
        self.fetched += 1
        if self.fails:
            raise PeerError("down")
        return self.signer.jwks()

    def token(self, now: float = NOW, **options: Any) -> str:
        wanted: dict[str, Any] = {"audience": "kms", "scopes": ["s"], "now": now} | options
        return self.signer.issue("sip:u@a", **wanted)


@pytest.fixture
def idp() -> Idp:
    return Idp()


@pytest.fixture
def validator(idp: Idp) -> TokenValidator:
    return TokenValidator([Issuer(NAME, ("kms",), idp.fetch)])


async def code(validator: TokenValidator, token: str, now: float = NOW) -> str:
    with pytest.raises(TokenRefused) as caught:
        await validator.validate(token, now)
    return caught.value.code


async def test_claims(idp: Idp, validator: TokenValidator) -> None:
    claims = await validator.validate(idp.token(service_ids=["a", "b", "a"]), NOW)
    assert claims == Claims("sip:u@a", NAME, claims.token_id, ("a", "b"), frozenset({"s"}), NOW + 3600, NOW)
    assert len(claims.token_id) == 32


async def test_keys_are_kept_and_renewed(idp: Idp, validator: TokenValidator) -> None:
    token = idp.token()
    for now in (NOW, NOW + 100, NOW + 299):
        await validator.validate(token, now)
    assert idp.fetched == 1
    await validator.validate(token, NOW + 301)
    assert idp.fetched == 2


async def test_a_new_key_is_fetched_at_once_but_not_for_everybody(
    idp: Idp, validator: TokenValidator
) -> None:
    await validator.validate(idp.token(), NOW)
    idp.signer = LocalIssuer.generate(NAME)
    await validator.validate(idp.token(), NOW + 11)
    assert idp.fetched == 2
    strangers = [LocalIssuer.generate(NAME) for _ in range(5)]
    for stranger in strangers:
        token = stranger.issue("x", audience="kms", scopes=["s"], now=NOW)
        assert await code(validator, token, NOW + 12) == "token.signature"
    assert idp.fetched == 2, "unknown key IDs do not make us ask at every request"


async def test_a_withdrawn_key_no_longer_counts(idp: Idp, validator: TokenValidator) -> None:
    token = idp.token()
    await validator.validate(token, NOW)
    idp.signer = LocalIssuer.generate(NAME)
    assert await code(validator, token, NOW + 301) == "token.signature"


async def test_a_day_without_the_issuer(idp: Idp, validator: TokenValidator) -> None:
    idp.fails = True
    assert await code(validator, idp.token()) == "token.no-keys"
    idp.fails = False
    await validator.validate(idp.token(), NOW + 11)
    idp.fails = True
    await validator.validate(idp.token(now=NOW + 80_000), NOW + 80_000)
    assert await code(validator, idp.token(now=NOW + 90_000), NOW + 90_000) == "token.no-keys"


async def test_times_have_a_bounded_skew(idp: Idp, validator: TokenValidator) -> None:
    token = idp.token()
    await validator.validate(token, NOW - 60)
    assert await code(validator, token, NOW - 61) == "token.early"
    await validator.validate(token, NOW + 3660)
    assert await code(validator, token, NOW + 3661) == "token.expired"


async def test_memory_is_bounded(
    idp: Idp, validator: TokenValidator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_REMEMBERED", 3)
    for _ in range(6):
        await validator.validate(idp.token(), NOW)
    assert len(validator._checked) == 3


async def test_audience_and_issuer(idp: Idp, validator: TokenValidator) -> None:
    assert await code(validator, idp.token(audience="other")) == "token.audience"
    other = LocalIssuer.generate("https://other").issue("x", audience="kms", scopes=[], now=NOW)
    assert await code(validator, other) == "token.issuer"
    assert await code(validator, idp.token(service_ids=[f"sip:{n}@a" for n in range(101)])) in (
        "token.claims", "token.malformed",
    )  # fmt: skip


@pytest.mark.parametrize("text", [None, "", "Basic x", "Bearer", "Bearer "])
def test_no_bearer(text: str | None) -> None:
    with pytest.raises(TokenRefused):
        bearer(text)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"keys": []}', b"{" * 10_000])
def test_no_jwks(text: bytes) -> None:
    with pytest.raises(DecodeError):
        read_jwks(text)
