"""A wrapping key in a PKCS#11 token (SoftHSM2): it wraps without leaving, and what is wrong with it is said."""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pkcs11
import pytest

from mcsec.crypto.secret import Secret
from mcsec.store.address import Address
from mcsec.store.database import Database
from mcsec.store.kek import Kek, WrapError
from mcsec.store.rekey import rekey

pytestmark = [pytest.mark.anyio, pytest.mark.peer("softhsm2-util")]
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "271828"


@dataclass(frozen=True)
class Token:
    """A token with an AES key ``kek``, and the directory that its PIN lies in."""

    label: str
    directory: Path

    def uri(self, **changes: str) -> str:
        names = {
            "token": self.label,
            "object": "kek",
            "module-path": MODULE,
            "pin-source": "file:pin",
        } | changes
        path = f"pkcs11:token={names['token']};object={names['object']}"
        return f"{path}?module-path={names['module-path']}&pin-source={names['pin-source']}"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where SoftHSM2 keeps tokens; its library reads that once in a process."""
    directory = tmp_path_factory.mktemp("softhsm")
    (directory / "tokens").mkdir()
    settings = directory / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {directory / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    yield directory
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


@pytest.fixture
def token(tokens: Path, tmp_path: Path) -> Token:
    label = f"mcsec-{secrets.token_hex(4)}"
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "314159", "--pin", PIN],
        check=True,
        capture_output=True,
    )
    library = pkcs11.lib(MODULE)
    library.reinitialize()
    with library.get_token(token_label=label).open(rw=True, user_pin=PIN) as session:
        session.generate_key(pkcs11.KeyType.AES, 256, label="kek", id=b"1", store=True)
        session.generate_key(pkcs11.KeyType.AES, 256, label="next", id=b"2", store=True)
    pin = tmp_path / "pin"
    pin.write_text(PIN + "\n")
    pin.chmod(0o600)
    return Token(label, tmp_path)


def load(token: Token, /, **changes: str) -> Kek:
    return Kek.load(token.uri(**changes), {"PIN": PIN}, directory=token.directory)


def test_wraps_and_unwraps_in_the_token(token: Token) -> None:
    kek, secret = load(token), Secret.random(32)
    blob = kek.wrap(secret, "one")
    assert kek.unwrap(blob, "one") == secret
    assert load(token, **{"pin-source": "env:PIN"}).unwrap(blob, "one") == secret
    for changed, name in ((blob, "two"), (blob[:-1] + bytes([blob[-1] ^ 1]), "one"), (blob[:20], "one")):
        with pytest.raises(WrapError) as caught:
            kek.unwrap(changed, name)
        assert caught.value.code == "store.kek-wrong"
    with pytest.raises(WrapError):
        load(token, object="next").unwrap(blob, "one")
    assert load(token, object="next").id != kek.id


async def test_a_store_under_a_token_and_to_its_next_key(token: Token, tmp_path: Path) -> None:
    address = Address(path=tmp_path / "server.db")
    await (await Database.open(address, load(token))).close()
    await (await Database.open(address, load(token))).close()
    database = await Database.reach(address)
    await rekey(database, load(token), load(token, object="next"))
    await database.close()
    with pytest.raises(WrapError) as caught:
        await Database.open(address, load(token))
    assert caught.value.code == "store.kek-wrong"
    await (await Database.open(address, load(token, object="next"))).close()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"token": "another"}, "store.kek-missing"),
        ({"object": "another"}, "store.kek-missing"),
        ({"module-path": "/nowhere.so"}, "store.token"),
        ({"pin-source": "file:nowhere"}, "store.kek-missing"),
        ({"pin-source": "env:NOWHERE"}, "store.pin"),
        ({"pin-source": ""}, "store.pin"),
    ],
)
def test_what_is_not_there(token: Token, changes: dict[str, str], code: str) -> None:
    with pytest.raises(WrapError) as caught:
        load(token, **changes)
    assert caught.value.code == code


def test_a_wrong_pin(token: Token) -> None:
    (token.directory / "pin").write_text("000000")
    with pytest.raises(WrapError, match="refuses the PIN") as caught:
        load(token)
    assert "locks itself" in caught.value.hint
    assert "000000" not in caught.value.describe()


def test_a_uri_that_lacks_something(token: Token) -> None:
    with pytest.raises(WrapError) as caught:
        Kek.load("pkcs11:token=a;object=b?module-path=c")
    assert caught.value.code == "store.kek-source"
