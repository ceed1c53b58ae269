"""Token issuers as configurations name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mcsec.errors import LocalError
from mcsec.net.config import ConfigError, section
from mcsec.net.issuer import LocalIssuer
from mcsec.net.issuer_config import IssuerSection, issuers, local_name

DOMAIN = "a.example"


def named(**values: object) -> IssuerSection:
    return section(IssuerSection, {"issuer": "https://idp.example", **values}, "here: ")


def test_the_domains_own_counts_where_its_keys_are(tmp_path: Path) -> None:
    own = tmp_path / "jwks.json"
    assert issuers([], tmp_path, ("kms",), DOMAIN, own) == []
    own.write_text(json.dumps(LocalIssuer.generate(local_name(DOMAIN)).jwks()))
    (found,) = issuers([], tmp_path, ("kms",), DOMAIN, own)
    assert (found.name, found.audience) == (f"https://id.{DOMAIN}", ("kms",))


def test_an_audience_of_its_own_comes_before_the_entitys(tmp_path: Path) -> None:
    sections = [named(jwks="keys.json"), named(jwks="https://idp.example/keys", audience=["other"])]
    assert [one.audience for one in issuers(sections, tmp_path, ("mcx",), DOMAIN, None)] == [
        ("mcx",),
        ("other",),
    ]


def test_keys_do_not_come_in_clear(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="http://idp"):
        issuers([named(jwks="http://idp.example/keys")], tmp_path, ("mcx",), DOMAIN, None)


def test_a_misspelt_switch_is_noticed_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match=r"^here: audienze: ") as caught:
        named(jwks="keys.json", audienze="what was written")
    assert "what was written" not in str(caught.value)
