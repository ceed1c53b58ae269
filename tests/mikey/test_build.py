"""Building: the layout of every form, every kind of key, one receiver or many."""

from __future__ import annotations

import json
from base64 import b64decode
from itertools import product
from pathlib import Path

import pytest

from mcsec._core import EccsiMasterSecret, SakkeMasterSecret, Secret
from mcsec.crypto import hazmat
from mcsec.crypto.kdf import guk_id
from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.errors import CheckFailed, InvalidValue, WrongState
from mcsec.ids import NTP_OF_UNIX_EPOCH, KeyId, PurposeTag
from mcsec.mikey.build import Form, Initiator, Recipient, build, build_many
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.header import GenericCs
from mcsec.mikey.message import IMessage
from mcsec.mikey.numbers import MCPTT_CS_ID, MapType
from mcsec.mikey.open import open_message
from mcsec.mikey.parameters import KeyParameters
from mcsec.mikey.policy import policy_for
from support.domains import (
    KMS_URI,
    NOW,
    PERIOD,
    SERVER,
    USER,
    distribution,
    initiator,
    kms,
    receiver,
    recipient,
    sender,
)

VECTORS = Path(__file__).parents[2] / "vectors"
FORMS = [
    Form(cs_ids=cs_ids, with_policy=policy, to_self=to_self, hide_initiator=hide, hide_responder=hide)
    for cs_ids, policy, to_self, hide in product(((), (6, 8)), (False, True), (False, True), (False, True))
]


@pytest.mark.parametrize("tag", PurposeTag)
@pytest.mark.parametrize("with_parameters", [False, True])
def test_every_kind_of_key_arrives(tag: PurposeTag, with_parameters: bool) -> None:
    key = distribution(tag)
    parameters = KeyParameters(tag, text="name") if with_parameters else None
    octets = build(key, initiator(), recipient(), NOW, parameters=parameters)
    opened = open_message(octets, receiver(), [sender()], NOW)
    assert opened.distribution == key
    assert opened.kind is tag
    assert opened.csb_id == key.csb_id_for(USER)
    assert opened.parameters == parameters
    assert (opened.initiator, opened.responder) == (SERVER, USER)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_arrives_and_says_what_was_asked_for(form: Form) -> None:
    key = distribution()
    parameters = KeyParameters(PurposeTag.MUSIK, groups=("sip:group@example.org",))
    octets = build(key, initiator(), recipient(), NOW, parameters=parameters, form=form)
    message = IMessage.decode(octets)
    assert (message.policy == policy_for(PurposeTag.MUSIK)) == form.with_policy
    assert [session.cs_id for session in message.header.sessions if isinstance(session, GenericCs)] == list(
        form.cs_ids
    )
    assert (message.initiator.uri, message.responder.uri) == (
        (None, None) if form.hide_initiator else (SERVER, USER)
    )
    opened = open_message(octets, receiver(), [sender()], NOW)
    assert opened.distribution == key
    assert opened.initiator == SERVER
    assert opened.parameters == parameters
    if form.to_self:
        assert message.to_self is not None
        own = initiator().keys.decryption.decapsulate(message.to_self.sakke.sed)
        assert own == key.key
    else:
        assert message.to_self is None


def test_the_shortest_form() -> None:
    message = IMessage.decode(build(distribution(), initiator(), recipient(), NOW))
    assert message.header.map_type is MapType.EMPTY
    assert message.header.csb_id == distribution().key_id.encode()
    assert [payload.slot for payload in message.payloads] == [
        *("T", "RAND", "IDRi", "IDRr", "IDRkmsi", "IDRkmsr", "SAKKE"),
    ]


def test_a_gmk_goes_out_under_each_receivers_own_id() -> None:
    key = distribution(PurposeTag.GMK)
    form = Form(cs_ids=(MCPTT_CS_ID[PurposeTag.GMK],))
    users = ["sip:one@example.org", "sip:two@example.org"]
    messages = build_many(key, initiator(), [recipient(user) for user in users], NOW, form=form)
    for user, octets in zip(users, messages, strict=True):
        header = IMessage.decode(octets).header
        own = guk_id(key.key, key.key_id, user)
        assert header.csb_id == own.encode()
        assert header.sessions == (GenericCs(4, key.key_id.encode() + own.encode()),)
        opened = open_message(octets, receiver(user), [sender()], NOW)
        assert opened.key_id == key.key_id
        assert opened.guk_id == own
        assert key.mki_for(user) == key.key_id.encode() + own.encode()


def test_other_kinds_have_one_id_and_mki_for_all() -> None:
    key = distribution(PurposeTag.MUSIK)
    assert key.csb_id_for(USER) == key.key_id
    assert key.mki_for(USER) == key.key_id.encode()


def test_a_batch_is_in_order_and_shares_the_rand_over_several_kms() -> None:
    other = kms("kms.other.example")
    users = [f"sip:{number}@example.org" for number in range(4)]
    recipients = [
        Recipient(user, other.public if number % 2 else kms().public) for number, user in enumerate(users)
    ]
    key = distribution()
    messages = build_many(key, initiator(), recipients, NOW, threads=2)
    for number, (user, octets) in enumerate(zip(users, messages, strict=True)):
        message = IMessage.decode(octets)
        assert message.responder.uri == user
        assert message.responder_kms == ("kms.other.example" if number % 2 else KMS_URI)
        assert message.rand == key.rand
        keys = kms(message.responder_kms).identity(user)
        assert keys.decryption.decapsulate(message.sakke.sed) == key.key
    assert build_many(key, initiator(), [], NOW) == []


def test_the_signature_covers_everything_in_front_of_it() -> None:
    octets = build(distribution(), initiator(), recipient(), NOW)
    assert octets[-131:-129] == bytes.fromhex("2081")
    verify = kms().public.authentication.verify
    verify(initiator().keys.uid, octets[:-129], octets[-129:])
    with pytest.raises(CheckFailed):
        verify(initiator().keys.uid, octets[:-131], octets[-129:])


def test_keys_of_another_period_do_not_sign() -> None:
    with pytest.raises(WrongState):
        build(distribution(), initiator(), recipient(), NOW + PERIOD)


def test_parameters_are_of_the_same_kind() -> None:
    with pytest.raises(InvalidValue):
        build(distribution(), initiator(), recipient(), NOW, parameters=KeyParameters(PurposeTag.GMK))


def test_messages_that_nobody_would_read_are_not_made() -> None:
    parameters = KeyParameters(PurposeTag.MUSIK, text="x" * 8000)
    with pytest.raises(InvalidValue, match="8192"):
        build(distribution(), initiator(), recipient(), NOW, parameters=parameters)


@pytest.mark.parametrize(("size", "rand"), [(15, 16), (32, 16), (16, 15), (16, 32)])
def test_keys_and_rands_have_16_octets(size: int, rand: int) -> None:
    with pytest.raises(InvalidValue):
        KeyDistribution(KeyId(0x6ABCDEF0), Secret.random(size), bytes(rand))


@pytest.mark.parametrize("tag", PurposeTag)
def test_fresh_keys_differ_in_everything(tag: PurposeTag) -> None:
    one, two = KeyDistribution.fresh(tag), KeyDistribution.fresh(tag)
    assert one.kind is two.kind is tag
    assert one.key_id != two.key_id
    assert one.key != two.key
    assert one.rand != two.rand


def test_no_representation_shows_a_key() -> None:
    key = distribution()
    octets = build(key, initiator(), recipient(), NOW)
    opened = open_message(octets, receiver(), [sender()], NOW)
    for shown in (repr(key), str(key), repr(opened), repr(receiver()), repr(initiator())):
        assert key.key.reveal().hex() not in shown
        assert repr(key.key.reveal())[2:-1] not in shown


def test_a_message_made_elsewhere_is_made_again_octet_by_octet() -> None:
    """The KMS of the RFC examples: its z and KSAK, and their v and j as nonces."""
    cases = json.loads((VECTORS / "mikey_open_selfmade.json").read_text())["cases"]
    case = next(case for case in cases if case["name"] == "MuSiK, shortest form")
    master = KmsMasterKeys(
        SakkeMasterSecret(Secret(bytes.fromhex("aff429d35f84b110d094803b3595a6e2998bc99f"))),
        EccsiMasterSecret(Secret((0x12345).to_bytes(32))),
    )
    public = master.public("kms.example.org", 2_592_000)
    uid = public.uid_in("mcx.example.org", 1388)
    ssk, pvt = hazmat.eccsi_extract(master.authentication, uid, Secret((0x23456).to_bytes(32)))
    rsk = master.encryption.extract(uid)
    keys = IdentityKeys.validate(public, "mcx.example.org", 1388, rsk, ssk, pvt)
    key = KeyDistribution(
        KeyId(0x6ABCDEF0),
        Secret(bytes.fromhex(case["output"]["key"])),
        bytes.fromhex(case["output"]["rand"]),
    )
    recipient = Recipient("sip:user@example.org", public)
    octets = build(key, Initiator(keys, public), recipient, 3599719634 - NTP_OF_UNIX_EPOCH)
    signature = hazmat.eccsi_sign(keys.signer, octets[:-129], Secret((0x34567).to_bytes(32)))
    assert octets[:-129] + signature == b64decode(case["message_base64"])
