"""Decisions of a KMS on values and times: no sockets, no clock, no database.

A request goes through here in three steps, between which the service reads and writes: :meth:`KmsEngine.read`
(nothing is believed yet), :meth:`KmsEngine.admit` (signature, freshness), :meth:`KmsEngine.orders` (which keys).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from mcsec.crypto.kms_keys import KmsPublicKeys
from mcsec.errors import UnknownKey
from mcsec.kms import access, pairs, periods
from mcsec.kms.access import AccessRules
from mcsec.kms.freshness import Freshness
from mcsec.kms.ledger import Order
from mcsec.kms.pairs import PairDecision, PairRules
from mcsec.kms.paths import Path, Procedure
from mcsec.kms.refusals import KmsRefusal
from mcsec.net.tokens import Claims
from mcsec.store.kms import PairRow
from mcsec.wire import dsig, xml
from mcsec.wire.kms.decode import decode_request
from mcsec.wire.kms.model import NAMESPACE, SCHEMA, KmsRequest
from mcsec.wire.kms.protect import bootstrap_of, parse_integrity_name

_REQUEST = f"{{{NAMESPACE}}}KmsRequest"
_SIGNED_REQUEST = f"{{{NAMESPACE}}}SignedKmsRequest"


@dataclass(frozen=True, slots=True)
class EngineRules:
    """What the operator configured. ``ahead`` is in seconds; ``protection``: TrK and InK are required."""

    access: AccessRules
    pairs: PairRules
    ahead: int
    protection: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was read: well formed, by a bearer who may speak for ``user``; its signature not yet checked.

    ``number`` is that of the pair of protection keys that is said to have signed. ``request`` is None where there
    was no body.
    """

    path: Path
    raw_path: str
    claims: Claims
    allowed: tuple[str, ...]
    user: str
    request: KmsRequest | None
    signature: dsig.Signature | None
    number: int | None
    bootstrap: bytes | None

    @property
    def client_id(self) -> str:
        """Which of the user's clients; empty where it does not say."""
        return (self.request.client_id or "") if self.request else ""


class KmsEngine:
    """Decides for one KMS.

    :ivar revoked: revoked identities: since when, and why.
    """

    def __init__(
        self,
        public: KmsPublicKeys,
        rules: EngineRules,
        freshness: Freshness,
        revoked: Mapping[str, tuple[int, str]],
    ) -> None:
        self.public = public
        self.rules = rules
        self.freshness = freshness
        self.revoked = dict(revoked)

    def read(self, path: Path, raw_path: str, body: bytes, claims: Claims) -> Asked:
        """Read a request of the bearer of ``claims``.

        :raises DecodeError: the body is no request.
        :raises KmsRefusal: the bearer may not speak for this user, or the request is for another KMS.
        """
        allowed = access.identities(claims, self.rules.access)
        if not body:
            if not allowed:
                access.require("", allowed)
            return self._known(Asked(path, raw_path, claims, allowed, allowed[0], None, None, None, None))
        root = xml.parse(body)
        xml.validate(root, *SCHEMA)
        signed = root.tag == _SIGNED_REQUEST
        if not signed and root.tag != _REQUEST:
            raise KmsRefusal(400, "a document that is no request", code="kms.element")
        element = root[0] if signed else root
        request = decode_request(element)
        access.require(request.user_uri, allowed)
        if request.kms_uri != self.public.kms_uri:
            raise KmsRefusal(403, "a request to another KMS", code="kms.other-kms")
        number, signature = None, None
        if signed:
            signature = dsig.read(root)
            if signature.covered is not element:
                raise KmsRefusal(403, "the signature covers another element", code="kms.wrapped")
            user, number = parse_integrity_name(signature.key_name)
            if user != request.user_uri:
                raise UnknownKey("the integrity key of another user", code="kms.protection-key")
        return self._known(
            Asked(
                path,
                raw_path,
                claims,
                allowed,
                request.user_uri,
                request,
                signature,
                number,
                bootstrap_of(element) if path.procedure is Procedure.INIT else None,
            )
        )

    def _known(self, asked: Asked) -> Asked:
        self._refuse_revoked(asked.user)
        return asked

    def _refuse_revoked(self, identity: str) -> None:
        if identity in self.revoked:
            raise KmsRefusal(
                403, "a revoked identity", code="kms.revoked", hint="mcsec kms revoke --undo URI lifts it"
            )

    def admit(self, asked: Asked, known: Sequence[PairRow], now: float) -> PairDecision | None:
        """Check signature and freshness; what follows for the protection keys. None: none are in use.

        :raises CheckFailed, UnknownKey, DecodeError: the signature.
        :raises Replayed: not fresh.
        :raises KmsRefusal: not signed.
        """
        if asked.number is None or asked.signature is None or asked.request is None:
            if not self.rules.protection:
                return None
            init = asked.path.procedure is Procedure.INIT
            return pairs.unsigned_init(
                asked.client_id, init and asked.bootstrap is not None, known, self.rules.pairs
            )
        used = pairs.of_number(known, asked.number)
        verified = asked.signature.verify(used.integrity)
        if urlsplit(asked.request.client_req_url).path != asked.raw_path:
            raise KmsRefusal(403, "a request that was signed for another path", code="kms.other-path")
        self.freshness.check(verified.mark, asked.request.time.timestamp(), now)
        return pairs.signed(used, known, self.rules.pairs, now)

    def orders(self, asked: Asked, now: float) -> list[Order]:
        """The keys that a key provision asks for: of one identity, or of every one of the bearer's.

        :raises KmsRefusal: another's identity, a revoked one, or a period out of reach.
        """
        if asked.path.uri is not None:
            access.require(asked.path.uri, asked.allowed)
            self._refuse_revoked(asked.path.uri)
            identities: tuple[str, ...] = (asked.path.uri,)
        else:
            identities = tuple(identity for identity in asked.allowed if identity not in self.revoked)
        present = self.public.period_at(now)
        numbers = periods.wanted(self.public, now, self.rules.ahead, asked.path.time)
        return [
            Order(
                uid=self.public.uid_in(identity, number),
                identity=identity,
                period_no=number,
                actor=asked.claims.subject,
                token=asked.claims.token_id,
                reason="present period" if number == present else "next period",
            )
            for identity in identities
            for number in numbers
        ]

    def revoked_user_ids(self, now: float) -> list[bytes]:
        """UIDs of the revoked identities in the present key period and its neighbours, for the certificate."""
        present = self.public.period_at(now)
        return [
            self.public.uid_in(identity, number)
            for identity in self.revoked
            # Messages of the last period are under way at the turn, and opened.
            for number in range(max(present - 1, 0), present + 2)
        ]
