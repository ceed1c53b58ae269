"""CSK upload (TS 33.180 5.4): a client gives its server the key for the traffic between the two."""

from __future__ import annotations

from mcsec.ids import PurposeTag
from mcsec.keys import transport
from mcsec.keys.key import Key, Scope
from mcsec.mikey.open import open_message
from mcsec.mikey.receiver import Receiver, Sender


def take_csk(octets: bytes, client: str, kms_uri: str, domain: str, receiver: Receiver, now: float) -> Key:
    """The CSK in ``octets``, which must come from ``client`` itself.

    :param client: the MC service ID that the signalling proved; the signer must be the same.
    :param kms_uri: the KMS of the clients of this MC ``domain``.
    :raises PeerError: the message does not open, or is not the client's own.
    """
    senders = [Sender(client, kms_uri, frozenset({PurposeTag.CSK}))]
    return transport.read(open_message(octets, receiver, senders, now), domain, Scope.of(client))
