"""Documents with group keys: whose temporary groups are believed, and which messages they bring."""

from __future__ import annotations

import pytest

from mcsec.client import groupmail
from mcsec.errors import Refused
from mcsec.wire import gktp
from mcsec.wire.gktp import Gktp, GktpDocument, GktpSet, RegroupedGktps
from mcsec.wire.multipart import Part
from mcsec.wire.xcap import GKTP_TYPE
from support.domains import NOW
from support.engines import GROUP, B, client, gms_party

TEMPORARY, ELSEWHERE = f"sip:temp@{B}", "sip:temp@a.example"


def document(*temporary: str) -> GktpDocument:
    regrouped = tuple(RegroupedGktps(name, (Gktp("2", b"\2"),)) for name in temporary)
    return GktpDocument(GktpSet((Gktp("1", b"\1"),), regrouped), GktpSet((Gktp("3", b"\3"),)))


def test_every_message_in_order() -> None:
    assert groupmail.messages(document(TEMPORARY, ELSEWHERE)) == [b"\1", b"\2", b"\2", b"\3"]


def test_temporary_groups_of_the_own_domain_of_their_gms() -> None:
    one = client(groups={GROUP: B})
    groupmail.adopt(document(TEMPORARY, ELSEWHERE), gms_party(B), one)
    assert one.groups == {GROUP: gms_party(B), TEMPORARY: gms_party(B)}
    another = client(groups={GROUP: B, TEMPORARY: "a.example"})
    groupmail.adopt(document(TEMPORARY), gms_party(B), another)
    assert another.groups[TEMPORARY] == gms_party("a.example"), "what the configuration says stands"


@pytest.mark.parametrize(
    "identities", [(), ("sip:gms@a.example",), ("tel:+1",), ("sip:gms@b.example.evil.example",)]
)
def test_who_is_no_gms_of_ours(identities: tuple[str, ...]) -> None:
    one = client(groups={GROUP: B})
    parts = [Part(GKTP_TYPE, gktp.encode(document(TEMPORARY)))]
    assert groupmail.is_group_mail(parts)
    with pytest.raises(Refused) as caught:
        groupmail.take(parts, identities, one, NOW)
    assert caught.value.code == "client.not-our-gms"
    assert TEMPORARY not in one.groups
