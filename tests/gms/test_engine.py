"""A GMS: group keys for each member, under the member's own KMS."""

from __future__ import annotations

import pytest

from mcsec.client.engine import Carrier
from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Maker, Scope
from mcsec.keys.kinds import Traffic
from mcsec.mikey.message import IMessage
from support.domains import NOW
from support.engines import GROUP, OTHER_GROUP, A, B, client, gms, gms_uri, recipient, user


@pytest.mark.parametrize("tag", [PurposeTag.GMK, PurposeTag.MKFC])
def test_a_key_is_the_groups_own(tag: PurposeTag) -> None:
    home = gms()
    key = home.make(tag, GROUP, NOW)
    assert (key.key_id.tag, key.scope, key.maker) == (tag, Scope.of(GROUP), Maker(B, gms_uri(B)))
    assert home.keys == (key,)


def test_every_key_is_another_one() -> None:
    home = gms()
    keys = [home.make(PurposeTag.GMK, group, NOW) for group in (GROUP, GROUP, OTHER_GROUP)]
    assert len({key.key_id for key in keys}) == len({key.secret.reveal() for key in keys}) == 3


@pytest.mark.parametrize("tag", [tag for tag in PurposeTag if tag not in (PurposeTag.GMK, PurposeTag.MKFC)])
def test_it_makes_no_other_kind(tag: PurposeTag) -> None:
    home = gms()
    with pytest.raises(InvalidValue):
        home.make(tag, GROUP, NOW)
    assert home.keys == ()


def test_each_member_opens_its_own_message_with_its_own_guk_id() -> None:
    home = gms()
    key = home.make(PurposeTag.GMK, GROUP, NOW)
    members = [("ann", A), ("bob", A), ("cat", B)]
    messages = home.messages(key.key_id, [recipient(user(*member), member[1]) for member in members], NOW)
    for (name, domain), message in zip(members, messages, strict=True):
        one = client(name, domain)
        one.key_message(message, Carrier.GROUP_KEYS, NOW)
        assert one.keyring.current(Traffic.GROUP_MEDIA, GROUP, NOW).same_octets(key)
    assert len({IMessage.decode(message).header.csb_id for message in messages}) == 3
    assert {IMessage.decode(message).rand for message in messages} == {key.rand}


def test_a_key_that_was_not_made_here_is_not_given_out() -> None:
    with pytest.raises(InvalidValue) as caught:
        gms().messages(KeyId.random(PurposeTag.GMK), [recipient(user("ann"))], NOW)
    assert caught.value.code == "keys.unknown"
