"""The commands that look after stores, and those that prove who controlled which key, on a server's store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcsec.cli.main import app
from mcsec.errors import McsecError
from mcsec.ids import PurposeTag
from mcsec.keys.key import Maker, Scope, make
from mcsec.keys.lifecycle import Epoch
from mcsec.keys.provenance import Chain
from mcsec.keys.records import Happening as H
from mcsec.store import audit, server
from mcsec.store.config import load
from mcsec.store.database import Database
from mcsec.store.group_commit import GroupCommit
from mcsec.store.kek import create_kek_file
from support.postgresql import PROGRAM, PostgreSql, postgresql

NOW = 1_795_435_200.0
GROUP = "sip:<rescue>@b.example"
KEY = make(PurposeTag.MUSIK, scope=Scope.of(GROUP), maker=Maker("a.example", "mcx.a.example"), now=NOW)


@pytest.fixture
def domain(tmp_path: Path) -> Path:
    """A domain whose server was started once, made a key, and used it."""
    config = tmp_path / "mcsec.toml"
    config.write_text('[domain]\nname = "a.example"\n[server]\n')
    create_kek_file(tmp_path / "kek")
    asyncio.run(_fill(config))
    return config


async def _fill(config: Path) -> None:
    found = load(config)
    database = await Database.open(found.address, found.kek())
    chain = Chain("a.example")
    told = [
        chain.append(H.MADE, KEY, now=NOW),
        chain.append(H.HELD, KEY, now=NOW + 1, members=["sip:u1@a.example", "sip:u2@a.example"]),
        chain.append(H.FIRST_USED, KEY, now=NOW + 2, subject="00000100f110", traffic="MBMS_FLOOR"),
    ]
    async with GroupCommit(database) as writer:
        await writer.write([server.put_epoch(Epoch(KEY), 0, database.wrapper)])
        await writer.write(server.append(record) for record in told)
    await database.transact(lambda c: audit.verify_recent(c, "a.example", database.wrapper, NOW))
    await database.close()


def run(*arguments: object, refused: str = "") -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if refused:
        assert isinstance(done.exception, McsecError), done.output
        assert done.exception.code == refused
        return done.exception.describe()
    if done.exception is not None:
        raise done.exception
    return done.stdout


def change(config: Path, statement: str) -> None:
    with closing(sqlite3.connect(config.parent / "server.db")) as connection, connection:
        connection.execute(statement)


def test_status_and_upgrade(domain: Path) -> None:
    facts = json.loads(run("store", "status", "--config", domain, "--json"))
    assert facts["schema"] == facts["program"]
    assert (facts["rows"]["mc_key"], facts["rows"]["mc_provenance"], facts["restored"]) == (1, 3, [])
    assert "already" in run("store", "upgrade", "--config", domain)
    change(domain, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer program" in run("store", "upgrade", "--config", domain, refused="store.schema-new")
    assert "9999" in run("store", "status", "--config", domain)


def test_backup_and_restore(domain: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "sealed", "--config", domain, "--key", tmp_path / "recovery")
    run(
        "restore",
        tmp_path / "sealed",
        "--config",
        domain,
        "--key",
        tmp_path / "recovery",
        refused="store.not-empty",
    )
    for name in ("server.db", "server.db-wal", "server.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    create_kek_file(tmp_path / "another")
    wrong = ("--key", tmp_path / "another")
    run("restore", tmp_path / "sealed", "--config", domain, *wrong, refused="store.kek-wrong")
    assert not (tmp_path / "server.db").exists()
    run("restore", tmp_path / "sealed", "--config", domain, "--key", tmp_path / "recovery")
    assert "restored from a backup" in run("store", "status", "--config", domain)
    assert "restored from a backup" in run("audit", "verify", "--config", domain)


def test_rekey(domain: Path, tmp_path: Path) -> None:
    run("store", "rekey", "--to", "file:kek.new", "--config", domain)
    assert "give the wrapping key" in run("audit", "verify", "--config", domain, refused="store.kek-wrong")
    (tmp_path / "kek.new").rename(tmp_path / "kek")
    assert "3 records" in run("audit", "verify", "--config", domain)


@pytest.mark.peer(PROGRAM)
def test_a_domain_moves_to_postgresql(domain: Path) -> None:
    with postgresql() as found:
        uri = found.database()
        run("store", "copy", uri, "--config", domain)
        domain.write_text(domain.read_text() + f'[store]\nurl = "{uri}"\n')
        facts = json.loads(run("store", "status", "--config", domain, "--json"))
        assert facts["store"].startswith("postgresql://")
        assert facts["rows"]["mc_provenance"] == 3
        assert "3 records" in run("audit", "verify", "--config", domain)
        _backup_of_postgresql(domain, found)


def _backup_of_postgresql(domain: Path, found: PostgreSql) -> None:
    sealed, recovery = domain.parent / "sealed", domain.parent / "recovery"
    run("backup", sealed, "--config", domain, "--key", recovery)
    domain.write_text(f'[domain]\nname = "a.example"\n[store]\nurl = "{found.database()}"\n')
    run("restore", sealed, "--config", domain, "--key", recovery)
    assert "restored from a backup" in run("audit", "verify", "--config", domain)


def test_checkpoints(domain: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    run("audit", "checkpoint", "--config", domain, "-o", kept)
    assert json.loads(run("audit", "checkpoint", "--config", domain))["length"] == 3
    run("audit", "verify", "--config", domain, "--checkpoint", kept)
    other = ("--signer", "00" * 32)
    run("audit", "verify", "--config", domain, "--checkpoint", kept, *other, refused="audit.signer")
    # Whoever cuts off the end takes the store's own checkpoints with it.
    change(domain, "DELETE FROM mc_provenance WHERE sequence = 2")
    change(domain, "DELETE FROM audit_checkpoint")
    assert "2 records" in run("audit", "verify", "--config", domain)
    told = run("audit", "verify", "--config", domain, "--checkpoint", kept, refused="provenance.truncated")
    assert "record 2" in told


def test_tampering_is_located(domain: Path) -> None:
    change(domain, "UPDATE mc_provenance SET line = replace(line, 'u2@', 'u3@') WHERE sequence = 1")
    for command in ("verify", "checkpoint", "report"):
        assert "record 1" in run("audit", command, "--config", domain, refused="provenance.altered")


def test_report(domain: Path) -> None:
    facts = json.loads(run("audit", "report", "--config", domain, "--json"))
    (key,) = facts["keys"]
    assert (key["key_id"], key["scope"], key["maker"]["domain"]) == (str(KEY.key_id), [GROUP], "a.example")
    assert sorted(key["held"]) == ["sip:u1@a.example", "sip:u2@a.example"]
    assert key["protected"][0]["subject"] == "00000100f110"
    assert facts["statement"]["holds"]
    assert [record["sequence"] for record in facts["statement"]["records"]] == [0, 2]
    text = run("audit", "report", "--config", domain)
    assert "none came from outside the domain" in text
    assert KEY.secret.reveal().hex() not in json.dumps(facts) + text


@pytest.mark.parametrize(
    ("arguments", "keys"),
    [
        (("--to", "2026-11-22"), 0),
        (("--from", "2026-11-22", "--to", "2026-11-24T12:00:00+01:00"), 1),
        (("--bearer", "00000100f110"), 1),
        (("--bearer", "00000200f110"), 0),
        (("--group", GROUP), 1),
        (("--client", "sip:u2@a.example"), 1),
        (("--client", "sip:u3@a.example"), 0),
    ],
)
def test_report_of(domain: Path, arguments: tuple[str, ...], keys: int) -> None:
    facts = json.loads(run("audit", "report", "--config", domain, "--json", *arguments))
    assert len(facts["keys"]) == keys
    assert facts["statement"]["holds"] == bool(keys)


def test_a_time_that_is_none(domain: Path) -> None:
    done = CliRunner().invoke(app, ["audit", "report", "--config", str(domain), "--from", "yesterday"])
    assert done.exit_code == 2


def test_html_is_one_page_that_fetches_nothing_and_means_what_it_shows(domain: Path) -> None:
    page = run("audit", "report", "--config", domain, "--html")
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "img", "link", "iframe", "rescue")
            assert not {name for name, _ in attrs} & {"src", "href", "onload"}

        handle_data: Callable[[str], None] = staticmethod(seen.append)  # type: ignore[assignment]

    Reader().feed(page)
    assert GROUP in seen
    assert any("MCSEC-1.X-1" in text for text in seen)
