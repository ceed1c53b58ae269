"""A server as a configuration describes it: store opened, keys fetched from the KMS, SIP listened to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from mcsec.crypto.secret import Secret
from mcsec.errors import CheckFailed, McsecError
from mcsec.keys.events import Event
from mcsec.keys.key import Scope
from mcsec.mikey.build import Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.net.config import ConfigError
from mcsec.net.https import serving
from mcsec.net.issuer_config import issuers
from mcsec.net.kms.book import CertificateBook
from mcsec.net.kms.client import KmsClient, KmsClientSettings
from mcsec.net.kms.upkeep import Upkeep
from mcsec.net.tls import client_context, server_context
from mcsec.net.token_source import read_token
from mcsec.net.tokens import TokenValidator
from mcsec.server.admin import Admin, Explain
from mcsec.server.bearers.running import Bearing, bearing
from mcsec.server.calls.air import JointAir
from mcsec.server.calls.groups import GroupTable, found
from mcsec.server.calls.service import Calls
from mcsec.server.config import Configuration
from mcsec.server.explaining import Explained, explain
from mcsec.server.from_store import Sender
from mcsec.server.gms_access import connector
from mcsec.server.homegroups import HomeGroups
from mcsec.server.key_desk import KeyDesk
from mcsec.server.mkfcs import Mkfcs, MkfcSource
from mcsec.server.release_13 import Partner
from mcsec.server.service import Identity, McServer
from mcsec.server.sharing import turn
from mcsec.store.database import Database
from mcsec.store.kms_answers import KmsAnswers
from mcsec.store.server_kms import keep_pair, load_pair
from mcsec.store.spks import load_spks
from mcsec.store.witness import Witness, expect

#: Seconds between looks whether another key period began, and at what changed about KMSs and revoked users.
_LOOK = 60.0
#: The same while nothing was heard of the KMS since the start.
_SOON = 5.0
#: Seconds that a server which ends waits for answers to keys that it sent.
_DRAIN = 1.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves; ``addresses`` are SIP URIs, in the order of the configuration.

    ``bearing``: its bearers, None where no BM-SC is configured. ``lost``: set when another server may be on duty, and
    this one is to end.
    """

    server: McServer
    addresses: tuple[str, ...]
    bearing: Bearing | None
    calls: Calls
    lost: asyncio.Event


@asynccontextmanager
async def running(
    config: Configuration, on_event: Callable[[Event], None], now: Callable[[], float] = time.time
) -> AsyncIterator[Running]:
    """The server of a configuration, until the end of the block.

    :raises McsecError: it cannot start; the text says why.
    """
    seen = Witness(config.store.seen)
    await expect(config.store.address, seen)
    database = await Database.open(config.store.address, config.kek())
    table = config.groups()
    home = _home_groups(config, table)
    try:
        provisioning = Provisioning(config, database, now)
        settings = config.service()
        async with (
            turn(database, settings, provisioning.sender, on_event, now, _datagrams(config.listen())) as own,
            McServer(
                database,
                await provisioning.at_hand(),
                settings,
                verify=validator(config).validate,
                may_join=config.may_join if home is None else home.may_join,
                subscribers=config.subscribers(),
                seen=seen,
                duty=own.duty,
                presence=own.presence,
                on_event=on_event,
                clock=now,
            ) as server,
        ):
            for group in config.server.groups:
                if group.musik == "own" and group.id not in server.function.engine.keydown.musiks:
                    await server.make_musik(Scope.of(group.id))
            following = [asyncio.create_task(provisioning.renew(server))]
            following += [asyncio.create_task(one.run()) for one in _mkfcs(config, server, provisioning)]
            try:
                async with database.read() as connection:
                    spks = await connection.run_sync(partial(load_spks, wrapper=database.wrapper))

                hooks: list[Callable[[Event], None]] = []

                def told(event: Event) -> None:
                    for hook in (on_event, *hooks):
                        hook(event)

                async with (
                    bearing(config, server, told, now) as bearers,
                    Calls(server, table, config.calls(spks), now) as calls,
                    serving(
                        Admin(bearers, KeyDesk(server), _explaining(server, table, now)).app(), config.admin
                    ),
                ):
                    hooks.append(calls.happened)
                    if home is not None:
                        following.append(asyncio.create_task(_follow(config, server, home, calls)))
                    if bearers is not None:
                        calls.attach(JointAir(bearers.joint, bearers.transmitter))
                    lost = asyncio.Event() if own.duty is None else own.duty.lost
                    yield Running(server, await _listen(config, server), bearers, calls, lost)
                    if not lost.is_set():
                        # Calls go on meanwhile, so it must not take long.
                        await server.drain(_DRAIN)
            finally:
                for task in following:
                    task.cancel()
                await asyncio.gather(*following, return_exceptions=True)
    finally:
        await database.close()


def _datagrams(places: Iterable[tuple[str, str, int]]) -> str | None:
    """The address that datagrams are sent from; None: there is none."""
    return next((host for transport, host, _ in places if transport == "UDP"), None)


class Provisioning:
    """The server's keys from its KMS, of the present key period and, as soon as they can be had, of the next."""

    def __init__(self, config: Configuration, database: Database, now: Callable[[], float]) -> None:
        self._config, self._database, self.now = config, database, now
        # What was uploaded before this server serves cannot be told from a replay.
        self._replay = ReplayCache(not_before=now())
        self._upkeep = Upkeep(
            self._connect,
            CertificateBook(config.kms_uri),
            config.mdsi,
            look=_LOOK,
            now=now,
            memory=KmsAnswers(database, config.mdsi),
        )
        self._missing: McsecError | None = None

    async def at_hand(self) -> Identity:
        """The keys of the present key period, for a server that begins to serve.

        The KMS is asked only where they are not there yet, and need not answer where it did in this key period: what
        it gave then is in the store.

        :raises KmsRefused: :raises KmsUnreachable: :raises CheckFailed: no keys that count.
        """
        self._replay = ReplayCache(not_before=self.now())
        try:
            return self.present()
        except CheckFailed:
            return await self._fetch()

    async def sender(self) -> Sender:
        """What to sign with, for a server that only delivers; asked for from time to time.

        :raises KmsRefused: :raises KmsUnreachable: :raises CheckFailed: no keys that count.
        """
        if self._upkeep.held and self._missing is None:
            await self._upkeep.fetch()
            found = self.present()
        else:
            found = await self._fetch()
        return Sender(found.initiator, found.clients)

    async def _fetch(self) -> Identity:
        """Ask the KMS; where it does not answer, what it gave before."""
        self._missing = await self._upkeep.begin()
        return self.present()

    async def _connect(self) -> KmsClient:
        config, database = self._config, self._database
        section = config.server.kms

        async def token() -> Secret:
            return read_token(section.token, config.directory, "[server.kms]", config.mdsi)

        return KmsClient(
            KmsClientSettings(
                section.address.rstrip("/"), config.kms_uri, config.mdsi, "", section.protection
            ),
            token,
            client_context(config.path(section.ca)),
            keys=await load_pair(database, config.mdsi) if section.protection else None,
            keep=lambda pair: keep_pair(database, pair),
        )

    def present(self) -> Identity:
        """The keys that count now, and whom the KMS revoked.

        :raises CheckFailed: there are none of the present key period.
        """
        keys, public = self._upkeep.present(), self._upkeep.book.own()
        receiver = Receiver(list(self._upkeep.held.values()), [public], self._replay)
        return Identity(Initiator(keys, public), Recipient("", public), receiver)

    def gms(self, uri: str, domain: str, kms_uri: str) -> Partner:
        """A GMS, with what its KMS publishes, for which ours vouches.

        :raises Refused: the KMS is not known, revoked, or not valid now.
        """
        return Partner(uri, domain, self._upkeep.book.of_kms(kms_uri, self.now()))

    async def renew(self, server: McServer) -> None:
        """Fetch what is due, and change to the next period's keys when it begins; for ever."""
        if self._missing is not None:
            server.tell_failure(self._missing)
        while True:
            # A change that the store does not take waits in there.
            await server.expel_revoked()
            await asyncio.sleep(_LOOK if self._missing is None else _SOON)
            try:
                await self._upkeep.fetch()
                self._missing = None
            except McsecError as error:
                server.tell_failure(error)
            try:
                server.renew(self.present())
            except McsecError as error:
                server.tell_failure(error)


def validator(config: Configuration) -> TokenValidator:
    """Who checks access tokens: every issuer of the configuration, for this server as audience only."""
    audience = tuple(config.server.audience) or (config.mdsi,)
    local = config.server.local_issuer
    believed = issuers(
        config.server.issuers,
        config.directory,
        audience,
        config.domain,
        config.path(local) if local else None,
    )
    if not believed:
        raise ConfigError("[server] no issuer of access tokens: nobody could be authorised")
    return TokenValidator(believed, id_claims=config.server.id_claims)


def _home_groups(config: Configuration, table: GroupTable) -> HomeGroups | None:
    """The groups of the domain's GMS; None where none is configured."""
    section = config.server.gms
    if section is None:
        return None
    connect = connector(section, config.directory, config.mdsi)
    return HomeGroups(table, connect, config.mdsi, config.domain, config.server.calls.floor.policy)


def _mkfcs(config: Configuration, server: McServer, provisioning: Provisioning) -> list[Mkfcs]:
    """Whoever fetches MKFCs, for the groups that the operator switched to Release 13 mode."""
    return [
        Mkfcs(
            server,
            MkfcSource(
                groups,
                partial(provisioning.gms, section.uri or f"gms.{home}", home, section.kms or f"kms.{home}"),
                connector(section, config.directory, config.mdsi),
                section.refresh,
            ),
            provisioning.now,
        )
        for home, section, groups in config.gmses()
    ]


async def _follow(config: Configuration, server: McServer, home: HomeGroups, calls: Calls) -> None:
    """Do what the GMS says, for ever: who is no member of a group any more is taken off it and out of its call, and its
    MuSiK is replaced.
    """

    async def changed(groups: frozenset[str]) -> None:
        for group in sorted(groups):
            affiliated = server.function.users.members([group])
            strangers = [user for user in sorted(affiliated) if not home.may_join(user, group)]
            if strangers:
                await server.remove(group, strangers)
            calls.follow(group)

    assert config.server.gms is not None, "there is a GMS"
    await home.run(config.server.gms.refresh, changed, server.tell_failure)


async def _listen(config: Configuration, server: McServer) -> tuple[str, ...]:
    section = config.server
    addresses = []
    for transport, host, port in config.listen():
        tls = None
        if transport == "TLS":
            asked = section.client_certificates or bool(section.partners)
            tls = config.trusting(
                server_context(
                    config.path(section.certificate),
                    config.path(section.key),
                    clients=config.path(section.ca) if asked else None,
                    required=section.client_certificates,
                )
            )
        bound_host, bound_port = await server.listen(transport, host, port, tls=tls)
        shown = f"[{bound_host}]" if ":" in bound_host else bound_host
        addresses.append(f"sip:{shown}:{bound_port};transport={transport.lower()}")
    return tuple(addresses)


def _explaining(server: McServer, table: GroupTable, now: Callable[[], float]) -> Explain:
    def rows(group: str, client: str) -> list[Explained]:
        return explain(server.function.engine, group, client, found(table, group).rules, now())

    return rows
