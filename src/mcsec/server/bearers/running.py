"""The bearers of a server as its configuration says: MB2-C, what is announced, and what is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from mcsec.errors import InvalidValue
from mcsec.keys.events import Event
from mcsec.net.config import ConfigError
from mcsec.net.diameter.config import NodeConfig, PeerConfig, Timings, Transport
from mcsec.net.diameter.restart_counter import next_counter
from mcsec.net.https import Endpoint
from mcsec.net.mb2u import Place
from mcsec.net.tls import client_context
from mcsec.server.bearers.config import Mb2Section
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.joint import Joint
from mcsec.server.bearers.on_demand import OnDemand
from mcsec.server.bearers.service import GcsAs
from mcsec.server.bearers.transmitter import Transmitter
from mcsec.server.config import Configuration
from mcsec.server.service import McServer
from mcsec.wire.mb2.messages import APPLICATION

#: How long the end of a bearer may take before an operator is told how far it is.
_ENDING = 5.0


@dataclass(frozen=True, slots=True)
class Bearing:
    """The bearers of a running server, for calls and operators."""

    joint: Joint
    gcs_as: GcsAs
    transmitter: Transmitter

    def status(self) -> dict[str, Any]:
        """The Diameter peers, and every bearer."""
        return {"peers": dict(self.gcs_as.node.peers), "bearers": [self.row(one.name) for one in self._all]}

    def row(self, name: str) -> dict[str, Any]:
        """One bearer.

        :raises InvalidValue: none of that name.
        """
        found = self.gcs_as.find(name).describe()
        plan = self.joint.plan(name)
        return found | {
            "address": str(plan.address),
            "port": plan.port,
            "groups": sorted(plan.groups),
            "listeners": self.joint.listeners(name),
            "sent": dict(self.transmitter.counts(name)),
        }

    async def drop(self, name: str) -> dict[str, Any]:
        """Give a bearer up, its listeners first; how far that is, at the latest after some seconds.

        :raises InvalidValue: none of that name. :raises WrongState: it is being given up.
        """
        row = self.row(name)
        self.joint.drop(name)
        with suppress(TimeoutError):
            async with asyncio.timeout(_ENDING):
                await self.joint.released(name)
        left = [one.state.name.lower() for one in self._all if one.name == name]
        return row | {"state": left[0] if left else "released"}

    @property
    def _all(self) -> tuple[Any, ...]:
        return self.gcs_as.bearers.bearers


@asynccontextmanager
async def bearing(
    config: Configuration, server: McServer, on_event: Callable[[Event], None], clock: Callable[[], float]
) -> AsyncIterator[Bearing | None]:
    """The bearers of a configuration, until the end of the block; None where it has no section ``[server.mb2]``.

    The BM-SC may be away: bearers come when it does.

    :raises LocalError: something of the configuration cannot be used.
    """
    section = config.server.mb2
    if section is None:
        if config.server.bearers:
            raise ConfigError("[[server.bearers]] needs a section [server.mb2] that says where the BM-SC is")
        yield None
        return
    plans = [bearer.plan for bearer in config.server.bearers]
    for what, values in (
        ("name", [plan.name for plan in plans]),
        ("address and port", [(plan.address, plan.port) for plan in plans]),
    ):
        if len(set(values)) != len(values):
            raise ConfigError(f"[[server.bearers]] {what} stands twice")
    node, source = _node(config, section), _place(section.source, "source")
    async with Joint(server, on_event, clock) as joint:
        gcs_as = GcsAs(
            node,
            section.bmsc or f"bmsc.{config.domain}",
            Bearers(section.policy),
            joint.happened,
            realm=section.bmsc_realm or config.domain,
            restart_counter=next_counter(config.path(section.restart_counter)),
        )
        joint.attach(gcs_as)
        async with (
            gcs_as,
            Transmitter(server, joint, source, section.encapsulation, section.sign_of_life) as transmitter,
        ):
            sections = config.server.bearers
            for wanted in sections:
                if not wanted.dynamic:
                    joint.want(wanted.plan)
            server.hear(OnDemand(joint, [one.plan for one in sections if one.dynamic]).happened)
            yield Bearing(joint, gcs_as, transmitter)


def _node(config: Configuration, section: Mb2Section) -> NodeConfig:
    files = config.server
    context = None
    if any(peer.tls for peer in section.peers):
        context = client_context(
            config.path(section.ca or files.ca),
            certificate=config.path(section.certificate or files.certificate),
            key=config.path(section.key or files.key),
        )
    peers = []
    for peer in section.peers:
        host, port = _host_port(peer.address, f"peer {peer.host}")
        peers.append(
            PeerConfig(
                host=peer.host,
                realm=peer.realm or section.bmsc_realm or config.domain,
                address=host,
                port=port,
                transport=Transport(peer.transport),
                tls=context if peer.tls else None,
                require_tls=peer.tls,
                realms=frozenset(realm.lower() for realm in peer.realms),
            )
        )
    timings = Timings(watchdog=section.watchdog, redial=section.redial_first, redial_most=section.redial_most)
    try:
        return NodeConfig(
            host=section.host or config.mdsi,
            realm=section.realm or config.domain,
            applications=(APPLICATION,),
            peers=tuple(peers),
            timings=timings,
        )
    except InvalidValue as error:
        raise ConfigError(f"[server.mb2] {error}") from None


def _host_port(text: str, what: str) -> tuple[str, int]:
    try:
        endpoint = Endpoint.parse(text)
    except InvalidValue as error:
        raise ConfigError(f"[server.mb2] {what}: {error}") from None
    if endpoint.file is not None:
        raise ConfigError(f"[server.mb2] {what}: {text!r} is no HOST:PORT")
    return endpoint.host, endpoint.port


def _place(text: str, what: str) -> Place:
    host, port = _host_port(text, what)
    try:
        return ip_address(host), port
    except ValueError as error:
        raise ConfigError(f"[server.mb2] {what}: {error}") from None
