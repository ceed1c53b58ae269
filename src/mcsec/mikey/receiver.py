"""Who opens I_MESSAGEs, and whose messages it expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mcsec._core import SakkeReceiver
from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import InvalidValue
from mcsec.ids import PurposeTag
from mcsec.mikey.message import IMessage
from mcsec.mikey.parameters import Epoch
from mcsec.mikey.profiles import STRICT, Profile
from mcsec.mikey.refusals import (
    KEY_PERIOD,
    REVOKED_SENDER,
    UNKNOWN_KMS,
    WRONG_KMS,
    WRONG_RECEIVER,
    WRONG_SENDER,
)
from mcsec.mikey.replay import ReplayCache


class DecryptionKeys(Protocol):
    """One of the receiver's identities in one key period, such as an ``IdentityKeys``."""

    @property
    def uri(self) -> str:
        """The identity, exactly as it is hashed."""

    @property
    def kms_uri(self) -> str:
        """Its KMS."""

    @property
    def uid(self) -> bytes:
        """Its UID in that key period."""

    @property
    def decryption(self) -> SakkeReceiver:
        """Its RSK."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Somebody who may send keys of some kinds here: a URI under a KMS, for a KMS can sign for any name.

    ``uri`` None stands for a sender under that KMS who hides the URI and tells it under the key that arrives
    (TS 33.180 E.7); :func:`identify` is then the last check, and the caller's to make.
    """

    uri: str | None
    kms_uri: str
    kinds: frozenset[PurposeTag]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a receiver insists on.

    ``past`` and ``ahead``: how far the timestamp may lie behind or before the receiver's clock, in seconds.
    ``epoch``: what the times of key parameters count from.
    """

    past: float = 3600.0
    ahead: float = 300.0
    profile: Profile = STRICT
    epoch: Epoch = Epoch.UNIX


DEFAULT_RULES = Rules()


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who opens: the identities it accepts messages for, with their keys of the present and the
    neighbouring key periods; the KMSs it knows; the memory of what it received, which outlives this value.
    """

    identities: Sequence[DecryptionKeys]
    kms: Sequence[KmsPublicKeys]
    replay: ReplayCache
    rules: Rules = DEFAULT_RULES
    _by_uid: Mapping[bytes, DecryptionKeys] = field(init=False, repr=False, compare=False)
    _by_kms: Mapping[str, KmsPublicKeys] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_kms = {kms.kms_uri: kms for kms in self.kms}
        if len(by_kms) != len(self.kms):
            raise InvalidValue("a KMS is given twice")
        object.__setattr__(self, "_by_uid", {keys.uid: keys for keys in self.identities})
        object.__setattr__(self, "_by_kms", by_kms)

    def kms_named(self, uri: str) -> KmsPublicKeys:
        """The public keys of a KMS.

        :raises UnknownKey: ``mikey.unknown-kms``.
        """
        kms = self._by_kms.get(uri)
        if kms is None:
            raise UNKNOWN_KMS.because(f"no KMS {uri} is known")
        return kms

    def keys_for(self, message: IMessage, time: float) -> DecryptionKeys:
        """The keys of the identity that a message is for, in the key period of its timestamp.

        :raises PeerError: ``mikey.unknown-kms``, ``mikey.wrong-receiver`` or ``mikey.key-period``.
        """
        named = message.responder
        kms = self.kms_named(message.responder_kms)
        uri = named.uri
        if uri is None:
            keys = self._by_uid.get(named.data)
            if keys is None or keys.kms_uri != kms.kms_uri:
                raise WRONG_RECEIVER.because("the responder's UID is none of ours")
            if kms.uid_of(keys.uri, time) != keys.uid:
                raise KEY_PERIOD.because(f"the UID of {keys.uri} is of another key period")
            return keys
        if all(keys.uri != uri or keys.kms_uri != kms.kms_uri for keys in self.identities):
            raise WRONG_RECEIVER.because(f"the message is for {uri} of {kms.kms_uri}")
        keys = self._by_uid.get(kms.uid_of(uri, time))
        if keys is None:
            raise KEY_PERIOD.because(f"no keys of {uri} for the key period of the timestamp")
        return keys


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a message claims to come from, one of those expected: what a signature then proves.

    ``uri`` is None for a hidden sender that is anonymous still.
    """

    kms: KmsPublicKeys
    uid: bytes
    uri: str | None
    kinds: frozenset[PurposeTag]


def origin_of(message: IMessage, receiver: Receiver, senders: Sequence[Sender], time: float) -> Origin:
    """Find the message's initiator among ``senders``.

    :param time: the message's timestamp, Unix seconds; picks the key period of the UID.
    :raises PeerError: ``mikey.unknown-kms``, ``mikey.wrong-sender``, ``mikey.wrong-kms`` or
        ``mikey.revoked-sender``.
    """
    named = message.initiator
    kms = receiver.kms_named(message.initiator_kms)
    candidates = [sender for sender in senders if sender.kms_uri == kms.kms_uri]
    uri, uid = named.uri, named.data
    if uri is not None:
        if all(sender.uri != uri for sender in senders):
            raise WRONG_SENDER.because(f"{uri} is not expected to send keys here")
        uid = kms.uid_of(uri, time)
    else:
        uris = (sender.uri for sender in candidates if sender.uri is not None)
        uri = next((known for known in uris if kms.uid_of(known, time) == uid), None)
    chosen = [sender for sender in candidates if sender.uri == uri]
    if not chosen:
        if uri is None:
            raise WRONG_SENDER.because("the initiator's UID is of nobody expected to send keys here")
        raise WRONG_KMS.because(f"{uri} is not expected under {kms.kms_uri}")
    if uid in kms.revoked_users:
        raise REVOKED_SENDER.because(f"{uri or 'the UID named'} is revoked by {kms.kms_uri}")
    return Origin(kms, uid, uri, frozenset().union(*(sender.kinds for sender in chosen)))
