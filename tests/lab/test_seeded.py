"""``--seed``: the same run again, and nothing of it left behind."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from mcsec import ids
from mcsec.crypto.kms_keys import KmsMasterKeys
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import key, reservation
from mcsec.keys.key import Maker, make
from mcsec.keys.reservation import draw_ssrc
from mcsec.lab import air, demo
from mcsec.lab.claims import DemoReport
from mcsec.lab.seeded import WARNING, fixed_randomness
from support.demo import failed, make_quick
from support.patient_loop import run


def drawn() -> tuple[object, ...]:
    made = make(PurposeTag.MUSIK, maker=Maker("a.example", "mcx.a.example"), now=0.0)
    master = KmsMasterKeys.generate().export()
    return (
        KeyId.random(PurposeTag.CSK),
        draw_ssrc(),
        made.key_id,
        made.secret.reveal(),
        made.rand,
        master.z.reveal(),
        master.ksak.reveal(),
    )


def seeded(seed: str) -> tuple[object, ...]:
    with fixed_randomness(seed):
        return drawn()


def test_a_seed_determines_everything_that_is_drawn() -> None:
    assert seeded("s") == seeded("s")
    assert not set(seeded("s")) & set(seeded("t"))


def test_every_draw_is_another() -> None:
    with fixed_randomness("s"):
        assert not set(drawn()) & set(drawn())


def test_master_secrets_from_a_seed_are_good() -> None:
    with fixed_randomness("s"):
        master = KmsMasterKeys.generate()
    public = master.public("kms.a.example", 1000)
    uid = public.uid_in("sip:u@a.example", 3)
    public.encryption.validate_rsk(uid, master.extract(uid).rsk)


def test_afterwards_nothing_is_fixed_any_more() -> None:
    genuine = KmsMasterKeys.__dict__["generate"]
    with pytest.raises(ZeroDivisionError), fixed_randomness("s"):
        raise ZeroDivisionError
    assert KmsMasterKeys.__dict__["generate"] is genuine
    assert {module.secrets for module in (ids, key, reservation, air)} == {secrets}
    assert not set(drawn()) & set(drawn())


def test_two_runs_with_one_seed_tell_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    make_quick(monkeypatch)
    said: list[str] = []

    def play(seed: str | None) -> DemoReport:
        return run(demo.run(tmp_path, said.append, seed))

    first, again, other, unseeded = play("s"), play("s"), play("t"), play(None)
    assert said.count(WARNING) == 3
    assert [report.seeded for report in (first, again, other, unseeded)] == [True, True, True, False]
    assert failed(first) == failed(again) == failed(other) == failed(unseeded) == set()
    assert (first.keys, first.claims, first.traffic) == (again.keys, again.claims, again.traffic)
    names = [{row.key for row in report.keys} for report in (first, other, unseeded)]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
