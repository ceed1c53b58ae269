"""What a server believes of the authorities that its configuration names."""

from __future__ import annotations

from pathlib import Path

from mcsec.net.vouching import authorities
from mcsec.server.config import Configuration
from support.sip_tls import TestAuthority


def partner(domain: str, authority: str) -> str:
    return f'[[server.partners]]\ndomain = "{domain}"\nsip = "tls:{domain}:5061"\nca = "{authority}"\n'


def load(directory: Path, *partners: str) -> Configuration:
    for name in ("tls", "theirs"):
        (directory / name).mkdir()
        TestAuthority(directory / name).files("server")
    file = directory / "mcsec.toml"
    file.write_text(f'[domain]\nname = "a.example"\n[server]\n{"".join(partners)}')
    return Configuration.load(file)


def test_an_authority_of_partners_is_believed_for_those_partners(tmp_path: Path) -> None:
    config = load(tmp_path, partner("b.example", "theirs/ca.pem"), partner("C.example", "theirs/ca.pem"))
    (theirs,) = authorities(tmp_path / "theirs" / "ca.pem")
    assert config.vouching().limited == {theirs: frozenset({"mcx.b.example", "mcx.c.example"})}
    assert config.service().sip.transport.vouching == config.vouching()


def test_our_own_authority_is_believed_whoever_uses_it_too(tmp_path: Path) -> None:
    config = load(tmp_path, partner("b.example", "tls/ca.pem"))
    assert config.vouching().limited == {}


def test_without_partners_no_authority_is_looked_at(tmp_path: Path) -> None:
    assert load(tmp_path).vouching().limited == {}
