"""The KMS of a GMS is gone: the GMS starts all the same with what it got before, and goes on making keys."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcsec.gms import provision
from mcsec.lab.kms import lab_kms
from mcsec.net.kms.client import KmsUnreachable
from support.gms import ANN, BOB, GROUP, HOME, OTHER, document, prepare, serve
from support.waiting import until

pytestmark = pytest.mark.anyio


async def test_a_gms_starts_without_its_kms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "SOON", 0.05)
    async with lab_kms(tmp_path / HOME, HOME, time.time()) as kms:
        file = prepare(tmp_path / HOME, kms.service.address)
        async with serve(file, {HOME: kms}) as domain:
            await domain.put(document(ANN), new=True)
            async with domain.client(ANN) as ann:
                first = await ann.keys(GROUP)
    async with serve(file, {HOME: kms}) as domain:
        assert "kms.unreachable" in domain.log.getvalue()
        await domain.put(document(ANN, BOB, group=OTHER), new=True)
        async with domain.client(ANN) as ann:
            again = await ann.keys(GROUP)
            assert again is not None
            assert first is not None
            assert again[0].gmk is not None
            found = await ann.keys(OTHER)
            assert found is not None
            assert found[0].gmk is not None
        # It is asked again and again, and each time operators can see it.
        await until(lambda: domain.log.getvalue().count("kms.unreachable") >= 3)


async def test_a_gms_that_never_had_keys_says_so(tmp_path: Path) -> None:
    async with lab_kms(tmp_path / HOME, HOME, time.time()) as kms:
        file = prepare(tmp_path / HOME, kms.service.address)
    with pytest.raises(KmsUnreachable) as caught:
        async with serve(file, {HOME: kms}):
            pass
    assert "the store has no keys of gms.b.example" in str(caught.value)
    assert "start the KMS" in caught.value.hint
