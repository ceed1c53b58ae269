"""A KMS and identities to test with, made once for a test run: tables and validation take their time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys, KmsPublicKeys
from mcsec.ids import PurposeTag
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.receiver import DEFAULT_RULES, Receiver, Rules, Sender
from mcsec.mikey.replay import ReplayCache

#: 2026-11-23 12:00:00 UTC, well inside a key period.
NOW = 1_795_435_200.0
PERIOD = 2_419_200
KMS_URI = "kms.example.org"
SERVER = "sip:mcx.example.org"
USER = "sip:user@example.org"


@dataclass(frozen=True)
class Kms:
    """A KMS of the tests: it makes the keys of any identity."""

    master: KmsMasterKeys
    public: KmsPublicKeys

    def identity(self, uri: str, time: float = NOW) -> IdentityKeys:
        return _identity(self.public.kms_uri, uri, self.public.period_at(time))


def kms(uri: str = KMS_URI) -> Kms:
    return _kms(uri)


@cache
def _kms(uri: str) -> Kms:
    master = KmsMasterKeys.generate()
    return Kms(master, master.public(uri, PERIOD))


@cache
def _identity(kms_uri: str, uri: str, period: int) -> IdentityKeys:
    maker = kms(kms_uri)
    material = maker.master.extract(maker.public.uid_in(uri, period))
    return IdentityKeys.validate(maker.public, uri, period, material.rsk, material.ssk, material.pvt)


def initiator(uri: str = SERVER, time: float = NOW) -> Initiator:
    return Initiator(kms().identity(uri, time), kms().public)


def recipient(uri: str = USER) -> Recipient:
    return Recipient(uri, kms().public)


@cache
def distribution(tag: PurposeTag = PurposeTag.MUSIK) -> KeyDistribution:
    return KeyDistribution.fresh(tag)


def receiver(uri: str = USER, rules: Rules = DEFAULT_RULES, *times: float) -> Receiver:
    """A receiver with an empty replay cache, and the keys of the periods of ``times``."""
    identities = [kms().identity(uri, time) for time in times or (NOW,)]
    return Receiver(identities, [kms().public], ReplayCache(), rules)


def sender(uri: str | None = SERVER, *kinds: PurposeTag) -> Sender:
    return Sender(uri, KMS_URI, frozenset(kinds or PurposeTag))


def resign(octets: bytes, keys: IdentityKeys, covered: int = -129) -> bytes:
    """The message with a new signature; ``covered`` is where the signed octets end."""
    return octets[:-129] + keys.signer.sign(octets[:covered])


def renamed(public: KmsPublicKeys, uri: str) -> KmsPublicKeys:
    return replace(public, kms_uri=uri)
