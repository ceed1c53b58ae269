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
        async with kms.ledger.read() as tables:
            issued = await tables.count_issued()
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
        async with self.kms.ledger.read() as tables:
            rows = await tables.users(after, limit)
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
        async with self.kms.ledger.change(now) as change:
            await change.tables.revoke(identity, int(now), reason)
            pairs = await change.tables.pairs(identity)
            numbers = [pair.number for pair in pairs]
            await change.tables.set_pair_state(identity, numbers, PairState.RETIRED)
            change.note(Entry(Act.REVOKED, OPERATOR, identity, reason=reason))
        revoked[identity] = (int(now), reason)
        self._republish(identity, now)

    async def reinstate(self, identity: str, reason: str, now: float) -> None:
        """Keys for an identity again.

        :raises OperationError: it is not revoked.
        """
        if identity not in self.kms.engine.revoked:
            raise OperationError(f"{identity} is not revoked")
        async with self.kms.ledger.change(now) as change:
            await change.tables.reinstate(identity)
            change.note(Entry(Act.REINSTATED, OPERATOR, identity, reason=reason))
        del self.kms.engine.revoked[identity]
        self._republish(identity, now)

    def _republish(self, identity: str, now: float) -> None:
        kms = self.kms
        kms.ledger.forget_pairs([identity])
        kms.book = kms.book.with_revoked_users(kms.engine.revoked_user_ids(now), kms.ledger.head.length)

    async def enrol(self, user: str, client_id: str, now: float) -> ProtectionKeys:
        """A first pair of protection keys for a client, to be carried to it by the operator."""
        async with self.kms.ledger.change(now) as change:
            number = await change.tables.last_number(user) + 1
            keys = ProtectionKeys.fresh(user, number)
            row = PairRow(
                user, number, client_id, PairState.OFFERED, int(now), keys.transport, keys.integrity
            )
            await change.tables.add_pair(row)
            change.note(Entry(Act.PROTECTION_OFFERED, OPERATOR, user, reason=f"pair {number}, enrolled"))
        self.kms.ledger.forget_pairs([user])
        return keys

    async def forget(self, user: str, now: float) -> int:
        """Retires every pair of a user's clients, so that each starts anew; how many they were."""
        async with self.kms.ledger.change(now) as change:
            numbers = [pair.number for pair in await change.tables.pairs(user)]
            await change.tables.set_pair_state(user, numbers, PairState.RETIRED)
            for number in numbers:
                change.note(Entry(Act.PROTECTION_RETIRED, OPERATOR, user, reason=f"pair {number}, forgotten"))
        self.kms.ledger.forget_pairs([user])
        return len(numbers)

    async def rotate(self, user: str | None, now: float) -> int:
        """New protection keys at the next answer, for a user's clients or for all; how many they are."""
        async with self.kms.ledger.change(now) as change:
            count = await change.tables.expire_pairs(user)
            change.note(
                Entry(
                    Act.PROTECTION_RETIRED, OPERATOR, user or "", reason="to be replaced at the next answer"
                )
            )
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
        async with kms.ledger.change(now) as change:
            book, partner = kms.book.with_partner(certificate, kms.ledger.head.length + 1)
            await change.tables.put_certificate(trust.to_row(partner))
            change.note(Entry(act, OPERATOR, certificate.kms_uri, reason=reason))
        kms.book = book

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
        async with self.kms.ledger.read() as tables:
            return [records.decode(line) for line in await tables.log(after, limit, identity)]

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
        async with self.kms.ledger.change(now) as change:
            change.note(Entry(Act.BACKED_UP, OPERATOR, "", reason=f"under key {key.id}"))
        config = self.kms.config
        await backup.write(config.path(config.kms.database), target, config.kek(), key)


def _text(time: object) -> str | None:
    return None if time is None else str(time)
