"""What an operator does with a running KMS. Each step is one transaction with its log record."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcsec.crypto.uid import period_start
from mcsec.errors import LocalError
from mcsec.keys.chain import Head, verify
from mcsec.kms import records, trust
from mcsec.kms.kms import Kms
from mcsec.kms.ledger import Change
from mcsec.kms.records import Act, Entry, LogRecord
from mcsec.store import backup
from mcsec.store.kek import Kek
from mcsec.store.kms import PairRow, PairState
from mcsec.wire import xml
from mcsec.wire.kms.encode import encode_certificate
from mcsec.wire.kms.model import Certificate
from mcsec.wire.kms.protect import ProtectionKeys

OPERATOR = "operator"
_PAGE = 1000
#: Listing more would make a certificate that clients have to fetch too large.
MAX_REVOKED = 2000


class OperationError(LocalError):
    """An operator asked for something that cannot be done."""

    code = "kms.operation"


@dataclass(frozen=True, slots=True)
class Operations:
    """An operator's hands on one KMS."""

    kms: Kms

    async def status(self, now: float) -> dict[str, Any]:
        """Facts at a glance; times are Unix seconds."""
        kms = self.kms
        public = kms.public
        present = public.period_at(now)
        issued = await kms.ledger.read(lambda tables: tables.count_issued())
        head = kms.ledger.head
        return {
            "kms_uri": public.kms_uri,
            "domain": kms.config.domain,
            "period": present,
            "period_ends": period_start(present + 1, public.period, public.offset),
            "issued": issued,
            "revoked": len(kms.engine.revoked),
            "partners": len(kms.book.partners),
            "protection": kms.engine.rules.protection,
            "log": {"length": head.length, "digest": head.digest.hex()},
        }

    async def users(self, after: str = "", limit: int = _PAGE) -> list[dict[str, Any]]:
        """Users in order, after a URI: periods issued, the latest, and whether revoked."""
        rows = await self.kms.ledger.read(lambda tables: tables.users(after, limit))
        found: dict[str, dict[str, Any]] = {
            uri: {"user": uri, "periods": periods, "latest": latest, "revoked": None}
            for uri, periods, latest in rows
        }
        for uri, (since, reason) in self.kms.engine.revoked.items():
            if uri in found:
                found[uri]["revoked"] = {"since": since, "reason": reason}
            elif uri > after and (not rows or uri < rows[-1][0] or len(rows) < limit):
                found[uri] = {
                    "user": uri,
                    "periods": 0,
                    "latest": None,
                    "revoked": {"since": since, "reason": reason},
                }
        return [found[uri] for uri in sorted(found)]

    async def revoke(self, identity: str, reason: str, now: float) -> None:
        """No more keys for an identity; its UIDs are listed in the certificate.

        :raises OperationError: it is revoked, or too many are.
        """
        revoked = self.kms.engine.revoked
        if identity in revoked:
            raise OperationError(f"{identity} is revoked")
        if len(revoked) >= MAX_REVOKED:
            raise OperationError(
                f"{MAX_REVOKED} identities are revoked: wait for the period to end, or undo some"
            )

        def work(change: Change) -> None:
            change.tables.revoke(identity, int(now), reason)
            numbers = [pair.number for pair in change.tables.pairs(identity)]
            change.tables.set_pair_state(identity, numbers, PairState.RETIRED)
            change.note(Entry(Act.REVOKED, OPERATOR, identity, reason=reason))

        await self.kms.ledger.change(now, work)
        revoked[identity] = (int(now), reason)
        self._republish(identity, now)

    async def reinstate(self, identity: str, reason: str, now: float) -> None:
        """Keys for an identity again.

        :raises OperationError: it is not revoked.
        """
        if identity not in self.kms.engine.revoked:
            raise OperationError(f"{identity} is not revoked")

        def work(change: Change) -> None:
            change.tables.reinstate(identity)
            change.note(Entry(Act.REINSTATED, OPERATOR, identity, reason=reason))

        await self.kms.ledger.change(now, work)
        del self.kms.engine.revoked[identity]
        self._republish(identity, now)

    def _republish(self, identity: str, now: float) -> None:
        kms = self.kms
        kms.ledger.forget_pairs([identity])
        kms.book = kms.book.with_revoked_users(kms.engine.revoked_user_ids(now), kms.ledger.head.length)

    async def enrol(self, user: str, client_id: str, now: float) -> ProtectionKeys:
        """A first pair of protection keys for a client, to be carried to it by the operator."""

        def work(change: Change) -> ProtectionKeys:
            keys = ProtectionKeys.fresh(user, change.tables.last_number(user) + 1)
            row = PairRow(
                user, keys.number, client_id, PairState.OFFERED, int(now), keys.transport, keys.integrity
            )
            change.tables.add_pair(row)
            change.note(Entry(Act.PROTECTION_OFFERED, OPERATOR, user, reason=f"pair {keys.number}, enrolled"))
            return keys

        keys = await self.kms.ledger.change(now, work)
        self.kms.ledger.forget_pairs([user])
        return keys

    async def forget(self, user: str, now: float) -> int:
        """Retires every pair of a user's clients, so that each starts anew; how many they were."""

        def work(change: Change) -> int:
            numbers = [pair.number for pair in change.tables.pairs(user)]
            change.tables.set_pair_state(user, numbers, PairState.RETIRED)
            for number in numbers:
                change.note(Entry(Act.PROTECTION_RETIRED, OPERATOR, user, reason=f"pair {number}, forgotten"))
            return len(numbers)

        count = await self.kms.ledger.change(now, work)
        self.kms.ledger.forget_pairs([user])
        return count

    async def rotate(self, user: str | None, now: float) -> int:
        """New protection keys at the next answer, for a user's clients or for all; how many they are."""

        def work(change: Change) -> int:
            reason = "to be replaced at the next answer"
            change.note(Entry(Act.PROTECTION_RETIRED, OPERATOR, user or "", reason=reason))
            return change.tables.expire_pairs(user)

        count = await self.kms.ledger.change(now, work)
        self.kms.ledger.forget_all_pairs()
        return count

    async def trust(self, document: bytes, now: float) -> str:
        """Trusts a partner's certificate; the URI of its KMS.

        :raises DecodeError, TrustError: it cannot be trusted.
        """
        certificate = trust.read_partner(document)
        book = self.kms.book
        trust.check(certificate, book.own, book.partners, now)
        await self._publish(certificate, Act.PARTNER_TRUSTED, "", now)
        return certificate.kms_uri

    async def distrust(self, kms_uri: str, reason: str, now: float) -> None:
        """Revokes a partner: its certificate is served as revoked from now on.

        :raises OperationError: no such partner.
        """
        for partner in self.kms.book.partners:
            if partner.certificate.kms_uri == kms_uri:
                break
        else:
            raise OperationError(f"{kms_uri} is no partner")
        await self._publish(replace(partner.certificate, revoked=True), Act.PARTNER_REVOKED, reason, now)

    async def _publish(self, certificate: Certificate, act: Act, reason: str, now: float) -> None:
        kms = self.kms

        def work(change: Change) -> trust.Book:
            book, partner = kms.book.with_partner(certificate, kms.ledger.head.length + 1)
            change.tables.put_certificate(trust.to_row(partner))
            change.note(Entry(act, OPERATOR, certificate.kms_uri, reason=reason))
            return book

        kms.book = await kms.ledger.change(now, work)

    def partners(self) -> list[dict[str, Any]]:
        """Partners, without their keys."""
        return [
            {
                "kms_uri": partner.certificate.kms_uri,
                "domains": list(partner.certificate.domains),
                "valid_from": _text(partner.certificate.valid_from),
                "valid_to": _text(partner.certificate.valid_to),
                "revoked": partner.certificate.revoked,
                "changed": partner.changed,
            }
            for partner in self.kms.book.partners
        ]

    def certificate(self) -> bytes:
        """Our own certificate, for partners."""
        return xml.serialise(encode_certificate(self.kms.book.own))

    async def log(self, after: int = -1, limit: int = _PAGE, identity: str | None = None) -> list[LogRecord]:
        """Records after a sequence number, of one identity or of all."""
        lines = await self.kms.ledger.read(lambda tables: tables.log(after, limit, identity))
        return [records.decode(line) for line in lines]

    async def verify_log(self) -> Head:
        """Checks the whole log, in pages; its head.

        :raises ChainBroken: with the first record where it shows.
        """
        head = records.start(self.kms.config.domain)
        while page := await self.log(head.length - 1):
            head = verify(page, self.kms.config.domain, start=head)
        if head.length < self.kms.ledger.head.length:
            raise OperationError("records are missing at the end of the log", code="kms.log-truncated")
        return head

    async def back_up(self, target: Path, key: Kek, now: float) -> None:
        """A sealed copy of everything, which ``key`` alone opens.

        :raises OperationError: the file exists. :raises StoreError: it cannot be written.
        """
        if await asyncio.to_thread(target.exists):
            raise OperationError(f"{target} exists; a backup never overwrites")
        # Noted first, so that the copy tells of itself.
        entry = Entry(Act.BACKED_UP, OPERATOR, "", reason=f"under key {key.id}")
        await self.kms.ledger.change(now, lambda change: change.note(entry))
        config = self.kms.config
        await backup.write(config.path(config.kms.database), target, config.kek(), key)


def _text(time: object) -> str | None:
    return None if time is None else str(time)
