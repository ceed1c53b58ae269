"""Release 13 mode in a server's configuration: by group, with a GMS, and never beside a MuSiK."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcsec.net.config import ConfigError
from mcsec.server.config import Configuration

HOME, THERE = "sip:one@a.example", "sip:two@b.example"


def load(directory: Path, text: str) -> Configuration:
    file = directory / "mcsec.toml"
    file.write_text(f'[domain]\nname = "a.example"\n{text}')
    return Configuration.load(file)


GROUPS = f"""
[server]
default_musik = false
[[server.groups]]
id = "{HOME}"
release_13 = true
[[server.groups]]
id = "{THERE}"
home = "b.example"
release_13 = true
[[server.groups]]
id = "sip:three@a.example"
musik = "own"
"""


def test_each_group_has_the_gms_of_its_home(tmp_path: Path) -> None:
    text = (
        f'{GROUPS}[server.gms]\nrefresh = 2\n[[server.partners]]\ndomain = "b.example"\nsip = "tls:b:5061"\n'
        '[server.partners.gms]\naddress = "https://gms.b.example:8444"\ntoken = "file:there"\n'
    )
    own, other = load(tmp_path, text).gmses()
    assert (own[0], own[1].refresh, own[2]) == ("a.example", 2.0, (HOME,))
    assert (other[0], other[1].address, other[2]) == ("b.example", "https://gms.b.example:8444", (THERE,))


def test_without_a_gms_there_is_no_such_mode(tmp_path: Path) -> None:
    config = load(tmp_path, f"{GROUPS}[server.gms]\n")
    with pytest.raises(
        ConfigError, match=r"sip:two@b\.example is in Release 13 mode, and no GMS of b\.example"
    ):
        list(config.gmses())


@pytest.mark.parametrize(
    ("default", "musik"), [("true", "default"), ("false", "own")], ids=["a default one", "one of its own"]
)
def test_a_group_with_a_musik_is_in_no_release_13_mode(tmp_path: Path, default: str, musik: str) -> None:
    text = (
        f'[server]\ndefault_musik = {default}\n[[server.groups]]\nid = "{HOME}"\nmusik = "{musik}"\n'
        "release_13 = true\n"
    )
    with pytest.raises(ConfigError, match="set default_musik = false"):
        load(tmp_path, text)
