"""Keys of a token issuer while they are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from mcsec.net.issuer import LocalIssuer
from mcsec.net.tokens import Issuer, TokenValidator

pytestmark = pytest.mark.anyio

NOW = 1_795_435_200.0


async def test_those_who_come_during_the_first_fetch_wait_for_it() -> None:
    local = LocalIssuer.generate("https://id.a.example")
    fetched = []

    async def fetch() -> Mapping[str, Any]:
        fetched.append(1)
        await asyncio.sleep(0.01)
        return local.jwks()

    validator = TokenValidator([Issuer(local.name, ("mcx.a.example",), fetch)])
    tokens = [
        local.issue(f"sip:user{number}@a.example", audience="mcx.a.example", scopes=["s"], now=NOW)
        for number in range(4)
    ]
    claims = await asyncio.gather(*(validator.validate(token, NOW) for token in tokens))
    assert [each.subject for each in claims] == [f"sip:user{number}@a.example" for number in range(4)]
    assert len(fetched) == 1


async def test_keys_that_were_fetched_again_unchanged_stay_the_same() -> None:
    """Tokens that they verified need no second verification; other keys are other keys."""
    locals_ = [LocalIssuer.generate("https://id.a.example") for _ in range(2)]
    served = [locals_[0]]

    async def fetch() -> Mapping[str, Any]:
        return served[0].jwks()

    issuer = Issuer(locals_[0].name, ("mcx.a.example",), fetch, keep=300)
    first = await issuer.keys(None, NOW)
    assert await issuer.keys(None, NOW + 301) is first
    served[0] = locals_[1]
    assert await issuer.keys(None, NOW + 400) is first, "fetched only when it is time"
    assert await issuer.keys(None, NOW + 602) is not first
