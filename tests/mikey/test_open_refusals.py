"""Every row of the table of refusals: a message, and the receiver that has one thing against it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.mikey.build import Form
from mcsec.mikey.message import IMessage
from mcsec.mikey.numbers import IdRole
from mcsec.mikey.open import open_message
from mcsec.mikey.parameters import KeyParameters, protect
from mcsec.mikey.payloads import Idr, Sakke, SecurityPolicy
from mcsec.mikey.receiver import DEFAULT_RULES, Receiver, Sender
from mcsec.mikey.refusals import REFUSALS
from mcsec.mikey.replay import ReplayCache
from support.domains import (
    NOW,
    PERIOD,
    SERVER,
    USER,
    distribution,
    initiator,
    kms,
    receiver,
    resign,
    sender,
)
from support.downloads import download, flipped, remade, revoked, with_protected, with_sed

OTHER_KMS = "kms.other.example"
MALLORY = "sip:mallory@example.org"


@dataclass(frozen=True)
class Case:
    """A message, and the receiver that has one thing against it."""

    code: str
    octets: Callable[[], bytes]
    receiver: Callable[[], Receiver] = receiver
    senders: Sequence[Sender] = field(default_factory=lambda: [sender()])
    now: float = NOW


def knowing_revoked(uri: str) -> Receiver:
    """A receiver that knows from the KMS's certificate that ``uri`` is revoked."""
    public = replace(kms().public, revoked_users=frozenset([kms().public.uid_of(uri, NOW)]))
    return replace(receiver(), kms=[public])


CASES = [
    Case("mikey.malformed", lambda: download()[:-1]),
    Case("mikey.unsupported", lambda: flipped(download(), 0, 3)),
    Case("mikey.unsupported", lambda: remade(download(), header=lambda old: replace(old, prf=0))),
    Case("mikey.unsupported", lambda: remade(download(), header=lambda old: replace(old, verification=True))),
    Case(
        "mikey.unsupported",
        lambda: remade(download(), lambda old: replace(old, scheme=1) if isinstance(old, Sakke) else old),
    ),
    Case(
        "mikey.unsupported",
        lambda: remade(download(), lambda old: replace(old, parameters=2) if isinstance(old, Sakke) else old),
    ),
    Case("mikey.unsupported", lambda: download()[:-131] + bytes.fromhex("1081") + download()[-129:]),
    Case("mikey.policy", lambda: remade(download(), extra=[SecurityPolicy(((0, b"\1"),))])),
    Case("mikey.stale", download, now=NOW + 3601),
    Case("mikey.early", download, now=NOW - 301),
    Case("mikey.stale", download, now=float("nan")),
    Case("mikey.unknown-kms", download, lambda: replace(receiver(), kms=[])),
    Case("mikey.unknown-kms", download, lambda: replace(receiver(), kms=[kms(OTHER_KMS).public])),
    Case("mikey.wrong-receiver", lambda: download(to="sip:other@example.org")),
    Case(
        "mikey.wrong-receiver", lambda: download(to="sip:other@example.org", form=Form(hide_responder=True))
    ),
    Case("mikey.wrong-receiver", lambda: download(to="SIP:user@example.org")),
    Case("mikey.key-period", download, lambda: receiver(USER, DEFAULT_RULES, NOW - PERIOD)),
    Case(
        "mikey.key-period",
        lambda: remade(
            download(),
            lambda old: (
                Idr(IdRole.RESPONDER_UID, kms().public.uid_of(USER, NOW - PERIOD))
                if isinstance(old, Idr) and old.role is IdRole.RESPONDER
                else old
            ),
        ),
        lambda: receiver(USER, DEFAULT_RULES, NOW, NOW - PERIOD),
    ),
    Case("mikey.wrong-sender", download, senders=[]),
    Case("mikey.wrong-sender", download, senders=[sender(MALLORY), sender(None)]),
    Case("mikey.wrong-sender", lambda: download(form=Form(hide_initiator=True)), senders=[sender(MALLORY)]),
    Case("mikey.wrong-sender", lambda: download(form=Form(hide_initiator=True)), senders=[]),
    Case("mikey.wrong-kms", download, senders=[Sender(SERVER, OTHER_KMS, frozenset(PurposeTag))]),
    Case("mikey.revoked-sender", download, lambda: knowing_revoked(SERVER)),
    Case(
        "mikey.revoked-sender",
        lambda: download(form=Form(hide_initiator=True)),
        lambda: knowing_revoked(SERVER),
        senders=[sender(None)],
    ),
    Case("mikey.signature", lambda: flipped(download(), -100)),
    Case("mikey.signature", lambda: flipped(download(), -1)),
    Case("mikey.signature", lambda: resign(download(), kms().identity(MALLORY))),
    Case("mikey.signature", lambda: resign(download(), kms().identity(SERVER, NOW - PERIOD))),
    Case("mikey.signature", lambda: resign(download(), initiator().keys, covered=-131)),
    Case(
        "mikey.signature",
        lambda: resign(download(form=Form(hide_initiator=True)), kms().identity(MALLORY)),
    ),
    Case("mikey.replayed", download, lambda: replace(receiver(), replay=ReplayCache(not_before=NOW))),
    Case("mikey.purpose", download, senders=[sender(SERVER, PurposeTag.CSK, PurposeTag.MSCCK)]),
    Case(
        "mikey.purpose",
        lambda: remade(download(), header=lambda old: replace(old, csb_id=bytes.fromhex("7abcdef0"))),
    ),
    Case("mikey.sakke", lambda: remade(download(), with_sed(lambda sed: flipped(sed, -1)))),
    Case("mikey.sakke", lambda: remade(download(), with_sed(lambda sed: flipped(sed, 100)))),
    Case("mikey.sakke", lambda: remade(download(), with_sed(lambda sed: bytes(273)))),
    Case(
        "mikey.sakke",
        lambda: remade(
            download(),
            with_sed(
                lambda sed: IMessage.decode(download(to="sip:other@example.org")).sakke.sed,
            ),
        ),
    ),
    Case(
        "mikey.parameters",
        lambda: remade(
            download(KeyParameters(PurposeTag.MUSIK)),
            with_protected(lambda old: replace(old, sealed=flipped(old.sealed, 0))),
        ),
    ),
    Case(
        "mikey.parameters",
        lambda: remade(
            download(KeyParameters(PurposeTag.MUSIK)),
            with_protected(lambda old: replace(old, algorithm=2)),
        ),
    ),
    Case(
        "mikey.parameters",
        lambda: remade(
            download(),
            extra=[
                protect(KeyParameters(PurposeTag.CSK).encode(), distribution().key, distribution().key_id)
            ],
        ),
    ),
    Case("mikey.expired", lambda: download(KeyParameters(PurposeTag.MUSIK, expiry=int(NOW)))),
    Case("mikey.revoked", revoked),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code.removeprefix("mikey."))
def test_each_refusal_has_its_code_clause_and_hint(case: Case) -> None:
    octets, asked = case.octets(), case.receiver()
    with pytest.raises(PeerError) as caught:
        open_message(octets, asked, case.senders, case.now)
    row = next(row for row in REFUSALS if row.code == case.code)
    assert caught.value.code == row.code
    assert (caught.value.clause, caught.value.hint) == (row.clause, row.hint)


def test_every_row_of_the_table_is_tested() -> None:
    assert {case.code for case in CASES} == {row.code for row in REFUSALS}
