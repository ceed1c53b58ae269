"""A KMS put together: engine, ledger, certificates and tokens over one database. No sockets here."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from sqlalchemy import Connection

from mcsec.crypto.kms_keys import KmsMasterKeys, KmsPublicKeys
from mcsec.errors import LocalError, PeerError
from mcsec.kms import answers, paths, records, trust
from mcsec.kms.config import Configuration
from mcsec.kms.engine import Asked, EngineRules, KmsEngine
from mcsec.kms.freshness import Freshness
from mcsec.kms.issuers import issuers_of
from mcsec.kms.ledger import Change, Ledger, Order
from mcsec.kms.observe import Observer
from mcsec.kms.pairs import PairDecision, PairRules, keys_of
from mcsec.kms.paths import Procedure
from mcsec.kms.records import Act, Entry
from mcsec.kms.refusals import KmsRefusal, status_of
from mcsec.net.config import ConfigError
from mcsec.net.tokens import Claims, TokenValidator, bearer
from mcsec.store.database import Database
from mcsec.store.kms import CertificateRow, KmsTables, MasterRow, PairRow, PairState
from mcsec.wire.kms.answer import write_response
from mcsec.wire.kms.model import CertCache, Init, KeyProv, NewKeys
from mcsec.wire.kms.protect import ProtectionKeys, offer, offer_first

#: Procedures whose answers have room for new protection keys.
_WITH_NEW_KEYS = (Procedure.INIT, Procedure.KEYPROV)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status of HTTP and a document."""

    status: int
    document: bytes


class Kms:
    """One open KMS.

    :ivar engine: decides. :ivar ledger: writes. :ivar book: certificates. :ivar observer: counts and logs.
    """

    def __init__(
        self,
        config: Configuration,
        database: Database,
        public: KmsPublicKeys,
        engine: KmsEngine,
        ledger: Ledger,
        book: trust.Book,
        observer: Observer,
    ) -> None:
        self.config = config
        self.database = database
        self.public = public
        self.engine = engine
        self.ledger = ledger
        self.book = book
        self.observer = observer
        self.tokens = TokenValidator(
            issuers_of(config),
            skew=config.kms.tokens.clock_skew,
            id_claims=config.kms.tokens.id_claims,
            algorithms=config.kms.tokens.algorithms,
        )
        self._period = public.period_at(clock.time())

    @classmethod
    async def open(cls, config: Configuration, observer: Observer, now: float) -> Self:
        """Open the KMS that ``mcsec init`` made.

        :raises ConfigError: there is none, or the configuration does not fit it.
        :raises StoreError, WrapError: the database or a key in it cannot be used.
        :raises ChainBroken: the end of the log was altered.
        """
        path = config.path(config.kms.database)
        if not path.exists():
            raise ConfigError(
                f"{path}: no database", hint="mcsec init DIR --domain NAME, or mcsec kms restore"
            )
        database = await Database.open(path, config.kek())
        try:
            return await cls._assemble(config, database, observer, now)
        except BaseException:
            await database.close()
            raise

    @classmethod
    async def _assemble(
        cls, config: Configuration, database: Database, observer: Observer, now: float
    ) -> Self:
        def read(
            connection: Connection,
        ) -> tuple[MasterRow | None, dict[str, tuple[int, str]], list[CertificateRow], str | None]:
            tables = KmsTables(connection, database.wrapper)
            return tables.master(), tables.revoked(), tables.certificates(), tables.last_log_line()

        master_row, revoked, rows, last = await database.transact(read)
        partners = tuple(map(trust.from_row, rows))
        head = records.head_after(last, config.domain)
        if master_row is None:
            raise ConfigError("the database has no master secrets", hint="mcsec init DIR --domain NAME")
        stated = (config.kms.uri, config.kms.key_period, config.kms.key_offset)
        if stated != (master_row.kms_uri, master_row.period, master_row.offset):
            raise ConfigError(
                "uri, key_period and key_offset cannot change: every key that was issued depends on them",
                hint=f"put back {master_row.kms_uri!r}, {master_row.period}, {master_row.offset}",
            )
        master = KmsMasterKeys.from_secrets(master_row.secrets)
        public = master.public(*stated)
        rules = EngineRules(
            config.access(),
            PairRules(
                enrolled_only=config.kms.bootstrap == "enrolled",
                clients_per_user=config.kms.clients_per_user,
                lifetime=config.kms.transport_key_lifetime,
            ),
            ahead=config.kms.provision_ahead,
            protection=config.kms.protection,
        )
        freshness = Freshness(config.kms.time_window, config.kms.replay_memory, now)
        engine = KmsEngine(public, rules, freshness, revoked)
        own = trust.own(public, [config.domain, *config.kms.serves], config.domain)
        # What changed about ourselves while this process did not run is not known: clients fetch us again.
        changed = max(head.length, 1)
        book = trust.Book(
            replace(own, revoked_users=tuple(sorted(engine.revoked_user_ids(now)))), partners, changed
        )
        return cls(
            config,
            database,
            public,
            engine,
            Ledger(database, master, config.domain, head),
            book,
            observer,
        )

    async def close(self) -> None:
        """Finishes what is being written, and closes the database."""
        await self.ledger.close()
        await self.database.close()

    async def handle(
        self,
        raw_path: bytes,
        authorization: str | None,
        body: bytes,
        now: Callable[[], float] = clock.time,
    ) -> Answer:
        """Answer one request. Whatever goes wrong becomes an answer."""
        time, started = now(), clock.perf_counter()
        handling = _Handling(raw_path)
        try:
            answer = Answer(200, await self._grant(handling, authorization, body, time))
        except LocalError as error:
            self.observer.failed(handling.name, error)
            answer = self._refuse(handling, 503 if error.code.startswith("store.") else 500, time)
        except PeerError as error:
            status = status_of(error)
            self.observer.refused(handling.name, status, error, handling.subject)
            answer = self._refuse(handling, status, time)
        self.observer.answered(handling.name, answer.status, clock.perf_counter() - started)
        return answer

    def _refuse(self, handling: _Handling, status: int, now: float) -> Answer:
        refusal = answers.refusal(self.public.kms_uri, handling.user, "", status, now)
        return Answer(status, write_response(refusal, handling.keys))

    async def _grant(self, handling: _Handling, authorization: str | None, body: bytes, now: float) -> bytes:
        path = paths.parse(handling.raw_path)
        handling.name = path.procedure.value
        claims = await self.tokens.validate(bearer(authorization), now)
        handling.subject = claims.subject
        self._turn_period(now)
        asked = self.engine.read(path, handling.raw_path.decode("ascii", "replace"), body, claims)
        handling.user = asked.user
        needs_pairs = asked.number is not None or self.engine.rules.protection
        known = await self.ledger.pairs(asked.user) if needs_pairs else []
        decision = self.engine.admit(asked, known, now)
        if decision is not None and decision.keys is not None:
            handling.keys = keys_of(decision.keys)
        # Whatever can be refused is refused before anything is written.
        orders = self.engine.orders(asked, now) if path.procedure is Procedure.KEYPROV else []
        keys, new_keys = await self._protect(asked, decision, claims, now)
        message = await self._message(asked, orders, keys, new_keys, now)
        answer = answers.response(asked, self.public.kms_uri, message, now)
        return write_response(answer, keys, sign_certificates=self.config.kms.sign_certificates)

    async def _message(
        self,
        asked: Asked,
        orders: list[Order],
        keys: ProtectionKeys | None,
        new_keys: NewKeys,
        now: float,
    ) -> Init | KeyProv | CertCache:
        match asked.path.procedure:
            case Procedure.INIT:
                return Init(self.book.own, new_keys)
            case Procedure.KEYPROV:
                material = await self.ledger.issue(orders, now) if orders else []
                self.observer.issued(len(orders))
                return answers.key_provision(
                    self.public, orders, material, keys, self.config.kms.wrap, new_keys
                )
            case Procedure.CERTCACHE:
                return answers.certificates(self.book.number, self.book.since(asked.path.number))
            case Procedure.CERT:
                found = self.book.find(asked.path.uri or self.public.kms_uri)
                if found is None:
                    raise KmsRefusal(404, "no certificate of this name", code="kms.no-certificate")
                return answers.certificates(self.book.number, [found])

    async def _protect(
        self, asked: Asked, decision: PairDecision | None, claims: Claims, now: float
    ) -> tuple[ProtectionKeys | None, NewKeys]:
        """The keys that protect the answer, and new ones to be handed out in it."""
        if decision is None:
            return None, NewKeys()
        if asked.path.procedure not in _WITH_NEW_KEYS:
            decision = replace(decision, offer=None, make_next=False)
        made = await self._change_pairs(asked, decision, claims, now) if decision.writes else None
        if decision.keys is None:
            if made is None or asked.bootstrap is None:
                raise KmsRefusal(403, "no protection keys", code="kms.unsigned")
            return made, offer_first(made, asked.bootstrap)
        keys = keys_of(decision.keys)
        new = keys_of(decision.offer) if decision.offer is not None else made
        return keys, NewKeys() if new is None else offer(new, keys.transport, keys.transport_name)

    async def _change_pairs(
        self, asked: Asked, decision: PairDecision, claims: Claims, now: float
    ) -> ProtectionKeys | None:
        def entry(act: Act, number: int) -> Entry:
            return Entry(act, claims.subject, asked.user, token=claims.token_id, reason=f"pair {number}")

        def work(change: Change) -> ProtectionKeys | None:
            tables = change.tables
            tables.set_pair_state(asked.user, decision.confirm, PairState.CONFIRMED)
            tables.set_pair_state(asked.user, decision.retire, PairState.RETIRED)
            for number in decision.confirm:
                change.note(entry(Act.PROTECTION_CONFIRMED, number))
            for number in decision.retire:
                change.note(entry(Act.PROTECTION_RETIRED, number))
            if not (decision.make_first or decision.make_next):
                return None
            made = ProtectionKeys.fresh(asked.user, tables.last_number(asked.user) + 1)
            row = PairRow(
                asked.user,
                made.number,
                decision.client_id,
                PairState.OFFERED,
                int(now),
                made.transport,
                made.integrity,
            )
            tables.add_pair(row)
            change.note(entry(Act.PROTECTION_OFFERED, made.number))
            return made

        made = await self.ledger.change(now, work)
        self.ledger.forget_pairs([asked.user])
        return made

    def _turn_period(self, now: float) -> None:
        """In a new key period revoked users have other UIDs."""
        period = self.public.period_at(now)
        if period != self._period:
            self._period = period
            self.book = self.book.with_revoked_users(
                self.engine.revoked_user_ids(now), self.ledger.head.length
            )


class _Handling:
    """What is known so far of a request that is being handled, for the answer and the log if it fails."""

    __slots__ = ("keys", "name", "raw_path", "subject", "user")

    def __init__(self, raw_path: bytes) -> None:
        self.raw_path = raw_path
        self.name = "unknown"
        self.subject = ""
        self.user = ""
        self.keys: ProtectionKeys | None = None
