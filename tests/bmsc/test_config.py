"""The BM-SC's configuration: from a file, strict, with the places of what is wrong."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from mcsec.bmsc.config import Area, BmscConfig, Deallocation, GcsAs, load
from mcsec.errors import InvalidValue
from mcsec.net.config import ConfigError
from mcsec.wire.mb2.masks import Feature
from mcsec.wire.mb2.userplane import Encapsulation
from mcsec.wire.mb2.values import Ecgi
from support.bmsc import config

FILE = """
[domain]
name = "mcx.example"

[bmsc]
host = "bmsc.operator.example"
realm = "operator.example"
mcc = "001"
mnc = "01"
encapsulation = "bare"
deallocation = "keeps-bearers"
features = 3
mb2u_addresses = ["127.0.0.1", "::1"]

[bmsc.diameter]
listen = ["[::1]:3868"]
plain = true

[[bmsc.gcs_as]]
host = "gcs.mcx.example"
realm = "mcx.example"
areas = [1, 2]
sources = ["127.0.0.0/8"]

[[bmsc.areas]]
code = 1
capacity = 500000
cells = [{ mcc = "001", mnc = "01", cell = 7 }]

[[bmsc.cells]]
name = "all"
areas = [1]
loss = 0.01
"""


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mcsec.toml"
    path.write_text(FILE)
    loaded = load(path)
    assert loaded.encapsulation is Encapsulation.BARE
    assert loaded.deallocation is Deallocation.KEEPS_BEARERS
    assert loaded.features == Feature.HEARTBEAT | Feature.CELL_LIST
    assert loaded.mb2u_addresses == (ip_address("127.0.0.1"), ip_address("::1"))
    assert loaded.areas == (Area(code=1, capacity=500_000, cells=(Ecgi("001", "01", 7),)),)
    assert (loaded.diameter.listen, loaded.diameter.plain) == (("[::1]:3868",), True)
    server = loaded.server("GCS.mcx.example")
    assert server is not None
    assert server.areas == {1, 2}
    assert loaded.server("other.example") is None


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("[bmsc]", "[other]"), "bmsc"),
        (('mcc = "001"\n', ""), "bmsc.mcc"),
        (("loss = 0.01", "los = 0.01"), "bmsc.cells.0.los"),
        (("loss = 0.01", "loss = 2"), "probability"),
        (("features = 3", "features = 63"), "features"),
        (('mcc = "001"', 'mcc = "01"'), "MCC"),
        (("[domain]", "[domain"), "mcsec.toml"),
        (('["127.0.0.1", "::1"]', '["127.0.0.1", "127.0.0.2"]'), "twice"),
        (('["127.0.0.1", "::1"]', "[]"), "no MB2-U address"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], where: str) -> None:
    path = tmp_path / "mcsec.toml"
    path.write_text(FILE.replace(*change))
    with pytest.raises(ConfigError, match=where):
        load(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(tmp_path / "missing.toml")
    (tmp_path / "octets.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError):
        load(tmp_path / "octets.toml")


@pytest.mark.parametrize(
    "options",
    [
        {"areas": (Area(code=1), Area(code=1))},
        {"gcs_as": (GcsAs(host="a", realm="b"), GcsAs(host="A", realm="b"))},
        {"features": Feature.ROHC},
        {"bearers": 0},
        {"bearers": 5000},
        {"tmgis": 1 << 24, "first_service_id": 1},
        {"tmgi_lifetime": 0},
        {"bare_group": ip_address("10.0.0.1")},
    ],
)
def test_what_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        config(**options)
    assert isinstance(config(), BmscConfig)
