"""A hundred clients of one server, each accounted for: MCSEC_SOAK_CLIENTS=10000 makes it the whole soak."""

from __future__ import annotations

import os

import pytest

from mcsec.errors import LocalError
from mcsec.ids import KeyId
from mcsec.lab.soak.run import SoakReport, run
from mcsec.lab.soak.users import Account

CLIENTS = int(os.environ.get("MCSEC_SOAK_CLIENTS", "100"))
#: Octets that a client may cost the server, and the process that plays it; what that has without any; and the grain.
AT_THE_SERVER, AT_THE_CLIENT, WITHOUT, GRAIN = 20_000, 50_000, 110_000_000, 20_000_000


@pytest.mark.timeout(60 + 2 * CLIENTS)
def test_everybody_is_accounted_for_in_bounded_memory() -> None:
    told: list[str] = []
    report = run(CLIENTS, 2, told.append)
    assert told == ["log on", "first key", "rotation", "log off"] == list(report.seconds)
    assert len(set(report.keys)) == 2
    assert report.server_peak - report.server_start < GRAIN + CLIENTS * AT_THE_SERVER
    assert len(report.client_peaks) == 2
    assert max(report.client_peaks) < WITHOUT + GRAIN + CLIENTS // 2 * AT_THE_CLIENT
    assert f"{CLIENTS} clients" in report.to_text()
    assert report.to_dict()["keys"] == report.keys


def test_an_account_that_differs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of three users of the store is somebody else: the numbers are right, and that does not do."""
    add = Account.add
    seen: list[str] = []

    def other(self: Account, name: str, affiliated: bool, csk: KeyId | None, musiks: object) -> None:
        seen.append(name)
        # The server's memory comes first, then its store.
        add(self, name if len(seen) != 5 else "sip:mallory@soak.example", affiliated, csk, musiks)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(Account, "add", other)
    with pytest.raises(LocalError, match="the server's store") as caught:
        run(3, 1, lambda step: None)
    assert caught.value.code == "soak.account"


def test_the_order_of_users_does_not_count() -> None:
    one, other = Account(), Account()
    for account, names in ((one, "ab"), (other, "ba")):
        for name in names:
            account.add(name, True, None, [KeyId(0x60000000 + ord(name))])
    assert one.to_dict() == other.to_dict()
    merged, first, second = Account(), Account(), Account()
    for account, name in ((first, "a"), (second, "b")):
        account.add(name, True, None, [KeyId(0x60000000 + ord(name))])
        merged.merge(account)
    assert merged.to_dict() == one.to_dict()
    assert isinstance(SoakReport(1, 1).to_text(), str)
