"""Group keys that a GMS sends by SIP (TS 33.180 5.7.1): the same document that it hands out over HTTPS (TS 24.481 7.7).

Each message in it passes every check of a key message, with the GMS of its group as the only one who may send it.
"""

from __future__ import annotations

from collections.abc import Iterable

from mcsec.client.engine import Carrier, ClientEngine, Party
from mcsec.errors import Refused
from mcsec.ids import host_of
from mcsec.keys.events import Event
from mcsec.wire import gktp, multipart
from mcsec.wire.gktp import GktpDocument
from mcsec.wire.multipart import Part
from mcsec.wire.xcap import GKTP_TYPE


def is_group_mail(parts: Iterable[Part]) -> bool:
    """Whether a message brings group keys."""
    return multipart.first(parts, GKTP_TYPE) is not None


def take(parts: Iterable[Part], identities: Iterable[str], engine: ClientEngine, now: float) -> list[Event]:
    """The keys of a message go into the keyring, or out of it where they are revoked.

    :param identities: who is asserted to have sent it; one must be of the domain of a GMS that has a group of ours.
    :raises PeerError: a message must be refused; those before it were taken, and taking them again changes nothing.
    """
    hosts = {host_of(identity) for identity in identities} - {""}
    parties = [party for party in dict.fromkeys(engine.groups.values()) if party.domain.lower() in hosts]
    if not parties:
        raise Refused(
            "group keys that are not asserted to be of a GMS of ours",
            code="client.not-our-gms",
            clause="TS 33.180 5.7.1",
            hint="assertions count only from neighbours that are trusted",
        )
    part = multipart.first(parts, GKTP_TYPE)
    assert part is not None, "is_group_mail() comes first"
    document = gktp.decode(part.content)
    for party in parties:
        adopt(document, party, engine)
    happened: list[Event] = []
    for octets in messages(document):
        happened += engine.key_message(octets, Carrier.GROUP_KEYS, now)
    return happened


def messages(document: GktpDocument) -> list[bytes]:
    """Every key message of a document, in order."""
    sets = [one for one in (document.gmk, document.mkfc) if one is not None]
    return [
        one.message
        for found in sets
        for gktps in (found.gktps, *(regrouped.gktps for regrouped in found.regrouped))
        for one in gktps
    ]


def adopt(document: GktpDocument, party: Party, engine: ClientEngine) -> None:
    """Temporary groups of which a document brings keys are at home with the GMS that made them, in its own domain.

    A group that the configuration names stays where that says.
    """
    for found in (document.gmk, document.mkfc):
        for regrouped in () if found is None else found.regrouped:
            name = regrouped.temporary_group_id
            if host_of(name) == party.domain.lower():
                engine.groups.setdefault(name, party)
