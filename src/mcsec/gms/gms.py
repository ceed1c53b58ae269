"""A GMS put together: documents, keys, tokens and the log over one database. No sockets here."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from mcsec.errors import LocalError, McsecError, PeerError
from mcsec.gms import access, conditions, gktps
from mcsec.gms.access import Caller
from mcsec.gms.config import Configuration
from mcsec.gms.documents import Documents
from mcsec.gms.engine import GmsEngine
from mcsec.gms.groups import Changes, Group, etag_of
from mcsec.gms.keeper import Keeper
from mcsec.gms.observe import Observer
from mcsec.gms.planning import Planner
from mcsec.gms.provision import Provisioning
from mcsec.gms.refusals import GmsRefusal, conflict_of, status_of
from mcsec.net.tokens import TokenValidator, bearer
from mcsec.store.database import Database
from mcsec.store.gms import Held
from mcsec.wire import gktp, xcap
from mcsec.wire.groups import CONTENT_TYPE
from mcsec.wire.xcap import DIRECTORY, GKTPS, GROUPS, Listed, Place

_XML_TYPES = (CONTENT_TYPE, "application/xml", "text/xml")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: a status of HTTP, a document and its type, and further headers."""

    status: int
    document: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class Gms:
    """One open GMS.

    :ivar keeper: the groups. :ivar engine: makes keys. :ivar documents: decides. :ivar observer: counts and logs.
    :ivar changed: called after every step with what changed; the pushing side listens there.
    """

    def __init__(
        self,
        config: Configuration,
        keeper: Keeper,
        engine: GmsEngine,
        provisioning: Provisioning,
        observer: Observer,
    ) -> None:
        self.config, self.keeper, self.engine = config, keeper, engine
        self.provisioning, self.observer = provisioning, observer
        self.rules = config.access()
        self.planner = Planner(
            config.key_rules(),
            lambda tag, group, now, start, end: engine.make(
                tag,
                group,
                now,
                activation=start,
                lifetime=None if end is None else end - start,
            ),
        )
        self.documents = Documents(keeper.groups, self.planner, self.rules, config.gms.most_groups)
        self.changed: Callable[[Changes], None] = lambda changes: None
        tokens = config.gms.tokens
        self._tokens = TokenValidator(
            config.issuers(),
            skew=tokens.clock_skew,
            id_claims=tokens.id_claims,
            algorithms=tokens.algorithms,
        )
        observer.groups(len(keeper.groups))

    @classmethod
    async def open(cls, config: Configuration, database: Database, observer: Observer) -> Self:
        """The GMS of a configuration, with keys from its KMS.

        :raises StoreError, WrapError, ChainBroken: the database cannot be used.
        :raises PeerError: the KMS gave no keys.
        """
        keeper = await Keeper.open(database, config.domain)
        provisioning = Provisioning(config, database)
        engine = GmsEngine(config.domain, await provisioning.fetch())
        for group in keeper.groups.values():
            for row in group.keys:
                engine.adopt(row.key)
        return cls(config, keeper, engine, provisioning, observer)

    async def handle(
        self,
        method: str,
        raw_path: bytes,
        headers: Mapping[str, str],
        body: bytes,
        now: Callable[[], float] = clock.time,
    ) -> Answer:
        """Answer one request; ``headers`` by lower-case name. Whatever goes wrong becomes an answer."""
        started, subject = clock.perf_counter(), ""
        try:
            claims = await self._tokens.validate(bearer(headers.get("authorization")), now())
            subject = claims.subject
            caller = access.caller_of(claims, self.rules)
            answer = await self._grant(method, xcap.parse(raw_path), caller, headers, body, now())
        except (PeerError, LocalError) as error:
            answer = self._refuse(method, error, subject)
        self.observer.answered(method, answer.status, clock.perf_counter() - started)
        return answer

    async def step(self, decide: Callable[[], Changes]) -> Changes:
        """One step, written down with its log before it counts.

        :raises StoreError: the database refused; nothing was changed.
        """
        decided: list[Changes] = []

        def once() -> Changes:
            decided.append(decide())
            return decided[0]

        try:
            changes = await self.keeper.change(once)
        except McsecError:
            for row in decided[0].made if decided else ():
                self.engine.forget(row.key.key_id)
            raise
        for entry in changes.entries:
            self.observer.acted(entry.act, entry.subject, entry.actor, entry.detail)
        for key_id in changes.destroyed:
            self.engine.forget(key_id)
        self.observer.groups(len(self.keeper.groups))
        self.changed(changes)
        return changes

    async def poll(self, now: float) -> None:
        """What is due: temporary groups that end, keys that are renewed, retired or destroyed."""
        await self.step(lambda: self.documents.expired(now))

        def keys() -> Changes:
            changes = Changes(now)
            self.planner.poll(self.keeper.groups.values(), changes)
            return changes

        await self.step(keys)

    def temporary_of(self, group: Group) -> list[Group]:
        """The temporary groups that a group is part of."""
        names = (regrouped.temporary_group_id for regrouped in group.document.regrouped)
        found = (self.keeper.find(name) for name in names)
        return [other for other in found if other is not None]

    # --- requests

    async def _grant(
        self, method: str, place: Place, caller: Caller, headers: Mapping[str, str], body: bytes, now: float
    ) -> Answer:
        match place.auid, method:
            case (_, "GET" | "HEAD") if place.auid == GROUPS:
                group = access.check_read(caller, self.keeper.find(place.name), self.rules)
                return _document(headers, group.row.etag, CONTENT_TYPE, lambda: group.row.document)
            case (_, "GET" | "HEAD") if place.auid == DIRECTORY:
                return self._directory(place, caller, headers)
            case (_, "GET") if place.auid == GKTPS:
                return await self._keys(place, caller, headers, now)
            case (_, "PUT") if place.auid == GROUPS:
                return await self._put(place, caller, headers, body, now)
            case (_, "DELETE") if place.auid == GROUPS:
                await self.step(lambda: self.documents.delete(caller, place.name, headers, now))
                return Answer(200)
            case _:
                raise GmsRefusal(405, f"no {method} here", code="gms.method")

    async def _put(
        self, place: Place, caller: Caller, headers: Mapping[str, str], body: bytes, now: float
    ) -> Answer:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind not in _XML_TYPES:
            raise GmsRefusal(415, "no group document", code="gms.content-type", clause="RFC 4825 8.2.1")
        new = False

        def put() -> Changes:
            nonlocal new
            changes, new = self.documents.put(caller, place.name, body, headers, now)
            return changes

        await self.step(put)
        return Answer(201 if new else 200, headers={"etag": self.keeper.groups[place.name].row.etag})

    async def _keys(self, place: Place, caller: Caller, headers: Mapping[str, str], now: float) -> Answer:
        group, name, kinds = access.entitled(caller, self.keeper.find(place.name), self.rules)
        owed = gktps.parcel(group, () if caller.server else self.temporary_of(group), name, kinds)
        etag = owed.etag()
        if not conditions.check(headers, etag, reading=True):
            return Answer(304, headers={"etag": etag})
        document = gktp.encode(gktps.write(owed, self.provisioning.recipient(name), self.engine, now))
        await self.step(
            lambda: self.given(owed, place.name, caller.subject, caller.token_id, Held.GIVEN, now)
        )
        return Answer(200, document, xcap.GKTP_TYPE, {"etag": etag})

    def given(
        self, owed: gktps.Parcel, group: str, actor: str, token: str, state: Held, now: float
    ) -> Changes:
        """That a member was told what it was owed; what is known already is not said twice."""
        changes = Changes(now)
        for key_ids, held in owed.steps(state):
            fresh = tuple(
                key_id
                for key_id in key_ids
                if (home := self.keeper.group_of(key_id)) is not None
                and not _known(home.holders.get(key_id, {}).get(owed.member), held)
            )
            if fresh:
                changes.held.append((fresh, owed.member, held))
                told = " ".join(str(key_id) for key_id in fresh)
                by = f", token {token}" if token else ""
                changes.note(f"key-{held}", actor, group, f"{told} to {owed.member}{by}")
        return changes

    def _directory(self, place: Place, caller: Caller, headers: Mapping[str, str]) -> Answer:
        if place.name not in caller.identities:
            raise access.not_yours()
        listed = []
        for group in self.keeper.groups.values():
            try:
                access.check_read(caller, group, self.rules)
            except GmsRefusal:
                continue
            listed.append(Listed(Place(GROUPS, group.group_id), group.row.etag))
        document = xcap.write_directory(sorted(listed, key=lambda one: one.place.name))
        return _document(headers, etag_of(document), xcap.DIRECTORY_TYPE, lambda: document)

    def _refuse(self, method: str, error: McsecError, subject: str) -> Answer:
        status = status_of(error)
        if isinstance(error, LocalError):
            self.observer.failed(method, error)
        else:
            self.observer.refused(method, status, error, subject)
        extra = {"www-authenticate": 'Bearer realm="gms"'} if status == 401 else {}
        if status == 405:
            extra["allow"] = "GET, HEAD, PUT, DELETE"
        conflict = conflict_of(error) if status == 409 else None
        if conflict is None:
            return Answer(status, headers=extra)
        return Answer(status, xcap.write_conflict(conflict, str(error)), xcap.ERROR_TYPE, extra)


def _known(state: Held | None, told: Held) -> bool:
    return state is told or (state is Held.ACKNOWLEDGED and told is Held.GIVEN) or state is Held.ENDED


def _document(
    headers: Mapping[str, str], etag: str, content_type: str, document: Callable[[], bytes]
) -> Answer:
    if not conditions.check(headers, etag, reading=True):
        return Answer(304, headers={"etag": etag})
    return Answer(200, document(), content_type, {"etag": etag})
