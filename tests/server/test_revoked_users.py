"""A user whom its KMS revoked gives the server no key any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcsec.errors import PeerError
from mcsec.ids import PurposeTag
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from support.domains import NOW, kms
from support.engines import A, client, initiator, kms_of, mdsi, server, user

ANN = user("ann")


def test_an_upload_of_a_revoked_user() -> None:
    at, public = server(), kms(kms_of(A)).public
    known = replace(public, revoked_users=frozenset([public.uid_of(ANN, NOW)]))
    own = kms(kms_of(A)).identity(mdsi(A))
    at.renew(initiator(mdsi(A)), Receiver([own], [known], ReplayCache()))
    with pytest.raises(PeerError) as caught:
        at.csk_uploaded(ANN, client("ann").make_csk(NOW)[1], NOW)
    assert caught.value.code == "mikey.revoked-sender"
    at.csk_uploaded(user("bob"), client("bob").make_csk(NOW)[1], NOW)
    assert at.kinds_held == {PurposeTag.CSK}
