"""The clients of a scenario: who they are, what they hear, and what was told to them."""

from __future__ import annotations

import asyncio
import time
import uuid
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mcsec.client.audio import pcmu
from mcsec.client.audio.arrival import Frame
from mcsec.client.calls.service import McCall
from mcsec.client.engine import Party
from mcsec.client.profile import Profile
from mcsec.client.radio import RadioSide
from mcsec.client.service import McClient
from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError
from mcsec.keys.events import Event
from mcsec.kms.issuers import open_local
from mcsec.lab.scenario.site import Site
from mcsec.lab.watched import WatchedClient

_SERVICE = "3gpp:mc:ptt_service"
#: Names for clients' devices, made from their identities.
_CLIENT_IDS = uuid.UUID("5d3c0d0e-2f6b-4a52-8f0e-6d2f0c0b7a11")
#: How long anything that is waited for may take.
PATIENCE = 15.0


@dataclass(slots=True)
class Person:
    """A user with one client.

    :ivar events: everything the client told. :ivar heard: the samples that its ear was given; ``first``: when the
        first frame since :meth:`listen` came.
    """

    name: str
    uri: str
    site: Site
    engine: WatchedClient
    client: McClient
    events: list[Event]
    heard: array[int] = field(default_factory=lambda: array("h"))
    first: float | None = None

    def of(self, *kinds: type[Event]) -> list[Event]:
        """What was told, of some kinds."""
        return [event for event in self.events if isinstance(event, kinds)]

    def listen(self) -> None:
        """Hears from here on."""
        del self.heard[:]
        self.first = None

    def begins(self, call: McCall) -> None:
        """A call begins: the ear is at it."""
        call.on_audio = self._frame

    def _frame(self, frame: Frame, now: float) -> None:
        if self.first is None:
            self.first = now
        self.heard.extend(pcmu.decode(frame.payload))


async def person(name: str, place: Site, groups: Iterable[tuple[str, Site]], now: float) -> Person:
    """A client of a domain: keys from its own KMS, group keys from the GMS of each group; registered and affiliated.

    :param groups: each with the domain that it is at home in.
    """
    uri = uri_of(name, place.name)
    wanted = list(groups)
    keys, known = await place.kms.provision(uri, now)
    server = Party(place.mdsi, place.kms.public.kms_uri, place.name)
    homes = {group: home.gms.party for group, home in wanted}
    engine = WatchedClient([keys], known, server, homes)
    for group, home in wanted:
        await home.gms.give_keys(group, engine)
    profile = Profile(
        mc_service_id=uri,
        impu=uri,
        client_id=f"urn:uuid:{uuid.uuid5(_CLIENT_IDS, uri)}",
        registrar=f"sip:{place.name}",
        psi=f"sip:mcptt@{place.name}",
        server=server,
    )
    issuer = open_local(place.kms.configuration)

    def token() -> Secret:
        return Secret(issuer.issue(uri, audience=place.mdsi, scopes=[_SERVICE], now=time.time()).encode())

    events: list[Event] = []
    area = place.wish.areas[0] if place.wish is not None else None
    client = place.clients.add(profile, engine, token, radio=RadioSide(area), on_event=events.append)
    made = Person(name, uri, place, engine, client, events)
    client.on_call = made.begins
    await client.log_on([group for group, _ in wanted])
    return made


def uri_of(name: str, domain: str) -> str:
    """The MC service ID of a user."""
    return f"sip:{name}@{domain}"


async def until(what: str, condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Waits until something is so.

    :raises LocalError: it was not in time; ``what`` says it to people.
    """
    try:
        async with asyncio.timeout(patience):
            # What is waited for is in several entities, and none of them knows of it.
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise LocalError(f"not within {patience:.0f} s: {what}", code="lab.scenario") from None
