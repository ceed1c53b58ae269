"""CSK upload: only the client's own, only for this server."""

from __future__ import annotations

import pytest

from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.keys import events
from mcsec.keys.key import Key, Maker, Scope, make
from mcsec.keys.transport import write
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.server.csk import Csks
from support.domains import NOW, kms
from support.engines import A, B, client, initiator, kms_of, mdsi, recipient, server, user

ANN, EVE = user("ann"), user("eve")


@pytest.fixture
def csks() -> Csks:
    receiver = Receiver([kms(kms_of(A)).identity(mdsi(A))], [kms(kms_of(A)).public], ReplayCache())
    return Csks(A, kms_of(A), receiver, Maker(A, mdsi(A)), {})


def csk(owner: str = ANN) -> Key:
    return make(PurposeTag.CSK, scope=Scope.of(owner), maker=Maker(A, owner), now=NOW)


def upload(
    key: Key, signer: str = ANN, domain: str = A, to: str = mdsi(A), *, revoked: bool = False
) -> bytes:
    return write(key, initiator(signer, domain), [recipient(to)], NOW, revoked=revoked)[0]


def refused(csks: Csks, octets: bytes, owner: str = ANN) -> str:
    before = dict(csks.held)
    with pytest.raises(PeerError) as caught:
        csks.take(owner, octets, NOW)
    assert csks.held == before
    return caught.value.code


def test_a_client_uploads_its_own(csks: Csks) -> None:
    key = csk()
    assert csks.take(ANN, upload(key), NOW) == [events.KeyReceived(NOW, key.key_id, ANN)]
    held = csks.held[ANN]
    assert held.same_octets(key)
    assert (held.scope, held.maker) == (Scope.of(ANN), Maker(A, ANN))


def test_what_a_client_makes_fits() -> None:
    at, ann = server(), client("ann")
    key, octets = ann.make_csk(NOW)
    at.csk_uploaded(ANN, octets, NOW)
    assert at.kinds_held == {PurposeTag.CSK}
    assert at.records[0].key_id == key.key_id


def test_another_user_signs_in_its_own_name(csks: Csks) -> None:
    assert refused(csks, upload(csk(), EVE)) == "mikey.wrong-sender"


def test_somebody_signs_in_another_name(csks: Csks) -> None:
    octets = upload(csk(EVE), EVE)
    assert refused(csks, octets.replace(EVE.encode(), ANN.encode())) == "mikey.signature"


def test_another_kms_signs_for_the_name(csks: Csks) -> None:
    octets = upload(csk(), ANN, B)
    assert refused(csks, octets) == "mikey.unknown-kms"


def test_a_known_foreign_kms_counts_no_more(csks: Csks) -> None:
    both = [kms(kms_of(domain)).public for domain in (A, B)]
    receiver = Receiver([kms(kms_of(A)).identity(mdsi(A))], both, ReplayCache())
    assert (
        refused(Csks(A, kms_of(A), receiver, Maker(A, mdsi(A)), {}), upload(csk(), ANN, B))
        == "mikey.wrong-kms"
    )


def test_an_upload_for_another_server(csks: Csks) -> None:
    assert refused(csks, upload(csk(), to="mcx.other.example")) == "mikey.wrong-receiver"


@pytest.mark.parametrize("tag", [PurposeTag.MUSIK, PurposeTag.GMK, PurposeTag.MKFC, PurposeTag.MSCCK])
def test_a_client_uploads_no_other_kind(csks: Csks, tag: PurposeTag) -> None:
    key = make(tag, scope=Scope.of("sip:group@a.example"), maker=Maker(A, ANN), now=NOW)
    assert refused(csks, upload(key)) == "mikey.purpose"


def test_an_upload_sent_again(csks: Csks) -> None:
    octets = upload(csk())
    csks.take(ANN, octets, NOW)
    assert refused(csks, octets) == "mikey.replayed"


def test_tampered(csks: Csks) -> None:
    octets = bytearray(upload(csk()))
    octets[-300] ^= 1
    assert refused(csks, bytes(octets)) == "mikey.signature"


def test_a_new_csk_ends_the_old_one(csks: Csks) -> None:
    old, new = csk(), csk()
    csks.take(ANN, upload(old), NOW)
    happened = csks.take(ANN, upload(new), NOW)
    assert happened == [
        events.KeyReceived(NOW, new.key_id, ANN),
        events.KeyDestroyed(NOW, old.key_id, "superseded"),
    ]
    assert csks.held[ANN].key_id == new.key_id


def test_the_same_csk_in_a_new_message_ends_nothing(csks: Csks) -> None:
    key = csk()
    csks.take(ANN, upload(key), NOW)
    (octets,) = write(key, initiator(ANN), [recipient(mdsi(A))], NOW + 1)
    assert [type(event) for event in csks.take(ANN, octets, NOW + 1)] == [events.KeyReceived]


def test_a_client_revokes_its_csk(csks: Csks) -> None:
    key = csk()
    csks.take(ANN, upload(key), NOW)
    happened = csks.take(ANN, upload(key, revoked=True), NOW)
    assert [type(event) for event in happened] == [events.KeyRevoked, events.KeyDestroyed]
    assert csks.held == {}


def test_revoking_another_key_ends_nothing(csks: Csks) -> None:
    csks.take(ANN, upload(csk()), NOW)
    assert csks.take(ANN, upload(csk(), revoked=True), NOW) == []
    assert ANN in csks.held


def test_a_client_revokes_no_other_clients_csk(csks: Csks) -> None:
    key = csk()
    csks.take(ANN, upload(key), NOW)
    assert csks.take(EVE, upload(key, EVE, revoked=True), NOW) == []
    assert ANN in csks.held
