"""Making I_MESSAGEs: one key, one initiator, one or many receivers (TS 33.180 5.2.2 and annex E).

Almost all of the work is one SAKKE encapsulation and one signature for each receiver. What is the same for
all receivers is encoded once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from mcsec.crypto.kms_keys import IdentityKeys, KmsPublicKeys
from mcsec.errors import InvalidValue, WrongState
from mcsec.ids import KeyId
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.extensions import SakkeToSelf
from mcsec.mikey.header import GenericCs, Header
from mcsec.mikey.message import MAX_OCTETS, Payload, chain_pieces
from mcsec.mikey.numbers import IdRole, MapType, PayloadType
from mcsec.mikey.parameters import Epoch, KeyParameters, protect
from mcsec.mikey.payloads import SIGN_HEADER, Idr, Rand, Sakke, Timestamp
from mcsec.mikey.policy import policy_for


@dataclass(frozen=True, slots=True)
class Initiator:
    """Who sends: the keys of its identity for the present key period, and its KMS's public keys."""

    keys: IdentityKeys
    kms: KmsPublicKeys


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who receives: its URI, exactly as it is hashed, and its KMS's public keys."""

    uri: str
    kms: KmsPublicKeys


@dataclass(frozen=True, slots=True)
class Form:
    """How messages are written. The default is the shortest that TS 33.180 allows.

    ``cs_ids``: the crypto sessions of a GENERIC-ID map; none: the empty map, and the key's default profile.
    ``with_policy``: say the default profile in an SP payload. ``to_self``: encapsulate the key to the
    initiator too. ``hide_initiator`` and ``hide_responder``: UIDs in place of URIs (E.7). ``epoch``,
    ``group_iei`` and ``parameters_iei``: open points of the key parameters (docs/readings/mikey.md).
    """

    cs_ids: tuple[int, ...] = ()
    with_policy: bool = False
    to_self: bool = False
    hide_initiator: bool = False
    hide_responder: bool = False
    epoch: Epoch = Epoch.UNIX
    group_iei: int = 0
    parameters_iei: int = 0


SHORTEST = Form()


def build(
    distribution: KeyDistribution,
    initiator: Initiator,
    recipient: Recipient,
    now: float,
    *,
    parameters: KeyParameters | None = None,
    form: Form = SHORTEST,
) -> bytes:
    """The I_MESSAGE that gives the key to one receiver; see :func:`build_many`."""
    return build_many(distribution, initiator, [recipient], now, parameters=parameters, form=form)[0]


def build_many(
    distribution: KeyDistribution,
    initiator: Initiator,
    recipients: Sequence[Recipient],
    now: float,
    *,
    parameters: KeyParameters | None = None,
    form: Form = SHORTEST,
    threads: int = 1,
) -> list[bytes]:
    """The I_MESSAGEs that give the key to each receiver, in order.

    :param now: becomes T, Unix seconds; picks the key period of both UIDs.
    :param parameters: sent with the key; their kind is the key's.
    :param threads: cores for the encapsulations; 0: all.
    :raises WrongState: the initiator's keys are not those of the key period of ``now``.
    :raises InvalidValue: parameters of another kind, or a message that would be too long.
    """
    batch = _Batch(distribution, initiator, Timestamp.from_unix(now), parameters, form)
    return batch.messages(recipients, threads)


class _Batch:
    """One key from one initiator at one time: what is the same for every receiver, encoded once."""

    def __init__(
        self,
        distribution: KeyDistribution,
        initiator: Initiator,
        timestamp: Timestamp,
        parameters: KeyParameters | None,
        form: Form,
    ) -> None:
        keys, kms = initiator.keys, initiator.kms
        self._distribution = distribution
        self._form = form
        self._time = timestamp.unix
        self._sign = keys.signer.sign
        if kms.uid_of(keys.uri, self._time) != keys.uid:
            raise WrongState(
                f"the keys of {keys.uri} are not those of this key period",
                clause="TS 33.180 F.2.1",
                hint="fetch the keys of the period from the KMS",
            )
        if parameters is not None and parameters.kind is not distribution.kind:
            raise InvalidValue(
                f"parameters of a {parameters.kind.label} with a {distribution.kind.label}",
                clause="TS 33.180 E.6.1",
            )
        self._content = None if parameters is None else parameters.encode(form.epoch, form.group_iei)
        self._front = (
            _part(timestamp),
            _part(Rand(distribution.rand)),
            _identity(IdRole.INITIATOR, IdRole.INITIATOR_UID, keys.uri, keys.uid, form.hide_initiator),
        )
        self._initiator_kms = _part(Idr.of_uri(IdRole.INITIATOR_KMS, keys.kms_uri))
        self._policy = (_part(policy_for(distribution.kind)),) if form.with_policy else ()
        self._to_self: tuple[_Part, ...] = ()
        if form.to_self:
            self._to_self = (
                _part(SakkeToSelf(Sakke(kms.encryption.encapsulate(keys.uid, distribution.key)))),
            )

    def messages(self, recipients: Sequence[Recipient], threads: int) -> list[bytes]:
        uids = [recipient.kms.uid_of(recipient.uri, self._time) for recipient in recipients]
        seds = self._encapsulate(recipients, uids, threads)
        framed = cache(self._framed)
        messages = []
        for recipient, uid, sed in zip(recipients, uids, seds, strict=True):
            frame = framed(self._distribution.csb_id_for(recipient.uri), recipient.kms.kms_uri)
            pieces = frame.copy()
            pieces[1] = self._responder(recipient.uri, uid)[1]
            pieces[3] = Sakke(sed).encode()
            signed = b"".join(pieces)
            messages.append(signed + self._sign(signed))
            if len(messages[-1]) > MAX_OCTETS:
                raise InvalidValue(f"the message would have more than {MAX_OCTETS} octets")
        return messages

    def _framed(self, csb_id: KeyId, kms_uri: str) -> list[bytes]:
        """A message up to its signature in five pieces; the second is IDRr and the fourth SAKKE, empty here."""
        header, extensions = self._keyed(csb_id)
        # Which types they have is all that counts here; what is in them comes for each receiver.
        responder = (PayloadType.IDR, b"")
        parts = (*self._front, responder, *self._domain(kms_uri), (PayloadType.SAKKE, b""), *extensions)
        pieces = chain_pieces(header, parts)
        first = 2 * len(self._front) + 2
        second = 2 * (len(parts) - len(extensions))
        before, between, after = pieces[:first], pieces[first + 1 : second], pieces[second + 1 :]
        return [b"".join(before), b"", b"".join(between), b"", b"".join(after) + SIGN_HEADER]

    def _responder(self, uri: str, uid: bytes) -> _Part:
        return _identity(IdRole.RESPONDER, IdRole.RESPONDER_UID, uri, uid, self._form.hide_responder)

    def _encapsulate(self, recipients: Sequence[Recipient], uids: list[bytes], threads: int) -> list[bytes]:
        """The encapsulated key for each recipient, in one batch for each KMS."""
        seds = [b""] * len(recipients)
        positions: dict[int, list[int]] = {}
        for position, recipient in enumerate(recipients):
            positions.setdefault(id(recipient.kms), []).append(position)
        for together in positions.values():
            encryption = recipients[together[0]].kms.encryption
            identities = [uids[position] for position in together]
            found = encryption.encapsulate_many(identities, self._distribution.key, threads=threads)
            for position, sed in zip(together, found, strict=True):
                seds[position] = sed
        return seds

    def _keyed(self, csb_id: KeyId) -> tuple[Header, tuple[_Part, ...]]:
        """What depends on the CSB ID, which for a GMK is the receiver's own: header and extensions."""
        key_id = self._distribution.key_id
        mki = csb_id.encode() if csb_id == key_id else key_id.encode() + csb_id.encode()
        sessions = tuple(GenericCs(cs_id, mki) for cs_id in self._form.cs_ids)
        header = Header(csb_id.encode(), MapType.GENERIC_ID if sessions else MapType.EMPTY, sessions)
        if self._content is None:
            return header, self._to_self
        protected = protect(
            self._content,
            self._distribution.key,
            csb_id,
            int(self._time),
            iei=self._form.parameters_iei,
        )
        return header, (*self._to_self, _part(protected))

    def _domain(self, kms_uri: str) -> tuple[_Part, ...]:
        """What depends on the receiver's KMS: from IDRkmsi to SP."""
        responder_kms = _part(Idr.of_uri(IdRole.RESPONDER_KMS, kms_uri))
        return (self._initiator_kms, responder_kms, *self._policy)


_Part = tuple[PayloadType, bytes]


def _part(payload: Payload) -> _Part:
    return payload.type, payload.encode()


def _identity(role: IdRole, hidden_role: IdRole, uri: str, uid: bytes, hide: bool) -> _Part:
    return _part(Idr(hidden_role, uid) if hide else Idr.of_uri(role, uri))
