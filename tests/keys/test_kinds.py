"""The table of kinds."""

from __future__ import annotations

import pytest

from mcsec.errors import Refused
from mcsec.ids import PurposeTag
from mcsec.keys.kinds import KINDS, KeyKind, MkiForm, Party, Service, Traffic, kind_of, kinds_for
from mcsec.mikey.numbers import MCPTT_CS_ID


def tags(traffic: Traffic) -> list[PurposeTag]:
    return [kind.tag for kind in kinds_for(traffic)]


def test_one_row_for_each_purpose_tag() -> None:
    assert set(KINDS) == set(PurposeTag)
    assert all(kind_of(tag).tag is tag for tag in PurposeTag)


def test_every_class_of_traffic_has_a_key() -> None:
    assert all(kinds_for(traffic) for traffic in Traffic)


def test_which_key_protects_what() -> None:
    assert tags(Traffic.MBMS_FLOOR) == [PurposeTag.MUSIK, PurposeTag.MKFC]
    assert tags(Traffic.SUBCHANNEL_CONTROL) == [PurposeTag.MSCCK]
    assert tags(Traffic.UNICAST_FLOOR) == [PurposeTag.CSK]
    assert tags(Traffic.SERVER_LINK) == [PurposeTag.SPK]
    assert tags(Traffic.GROUP_MEDIA) == [PurposeTag.GMK]
    assert tags(Traffic.PRIVATE_MEDIA) == [PurposeTag.PCK]


def test_no_key_serves_both_a_bearer_and_anything_else() -> None:
    for kind in KINDS.values():
        assert len({traffic.multicast for traffic in kind.protects}) == 1
        assert len({traffic.end_to_end for traffic in kind.protects}) == 1


def test_what_the_server_controls_it_makes_itself() -> None:
    for traffic in (Traffic.SUBCHANNEL_CONTROL, Traffic.MBMS_FLOOR):
        assert kinds_for(traffic)[0].makers == {Party.SERVER}


def test_cs_ids_are_those_of_the_messages() -> None:
    for tag, kind in KINDS.items():
        assert kind.cs_id() == MCPTT_CS_ID[tag]
    assert [kind_of(PurposeTag.MUSIK).cs_id(service) for service in Service] == [7, 9]
    assert [kind_of(PurposeTag.PCK).cs_id(Service.MCVIDEO, called=called) for called in (False, True)] == [
        2,
        3,
    ]


@pytest.mark.parametrize(
    ("tag", "sender", "receiver"),
    [
        (PurposeTag.MUSIK, Party.GMS, Party.CLIENT),
        (PurposeTag.MUSIK, Party.CLIENT, Party.CLIENT),
        (PurposeTag.MUSIK, Party.SERVER, Party.SERVER),
        (PurposeTag.MSCCK, Party.GMS, Party.CLIENT),
        (PurposeTag.CSK, Party.CLIENT, Party.CLIENT),
        (PurposeTag.CSK, Party.GMS, Party.CLIENT),
        (PurposeTag.GMK, Party.SERVER, Party.CLIENT),
        (PurposeTag.GMK, Party.GMS, Party.SERVER),
        (PurposeTag.MKFC, Party.SERVER, Party.CLIENT),
    ],
)
def test_a_key_from_the_wrong_party_is_refused(tag: PurposeTag, sender: Party, receiver: Party) -> None:
    with pytest.raises(Refused) as caught:
        kind_of(tag).require_route(sender, receiver)
    assert (caught.value.code, caught.value.clause) == ("keys.sender", kind_of(tag).clause)


def test_makers_send_what_they_make() -> None:
    for kind in KINDS.values():
        assert {sender for sender, _ in kind.routes} == kind.makers
        for route in kind.routes:
            kind.require_route(*route)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.tag.label)
def test_an_mki_names_its_kind_by_size_and_tag(kind: KeyKind) -> None:
    mki = bytes([kind.tag << 4]) + bytes(kind.mki.octets - 1)
    assert [other.tag for other in KINDS.values() if other.named_by(mki)] == [kind.tag]
    assert not kind.named_by(mki[:-1])
    assert not kind.named_by(b"")
    assert (kind.mki is MkiForm.KEY_ID_AND_USER_KEY_ID) is (kind.tag is PurposeTag.GMK)
