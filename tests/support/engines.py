"""A server, a GMS and clients for tests, wired by hand: what one says is given to the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mcsec.client.engine import Carrier, ClientEngine, Party
from mcsec.errors import PeerError
from mcsec.gms.engine import GmsEngine
from mcsec.ids import PurposeTag, Tmgi
from mcsec.keys.events import Event
from mcsec.keys.key import Key, Scope
from mcsec.keys.transport import write
from mcsec.mikey.build import Form, Initiator, Recipient
from mcsec.mikey.receiver import Receiver
from mcsec.mikey.replay import ReplayCache
from mcsec.server.engine import Partner, ServerEngine
from mcsec.server.keydown import Download
from mcsec.wire.rtcp.floor import FloorIdle
from support.domains import NOW, kms

A, B = "a.example", "b.example"
GROUP, OTHER_GROUP = "sip:rescue@b.example", "sip:police@b.example"
TMGI = Tmgi(0x00A001, "001", "01")
MUSIK_SCOPE = Scope.of(GROUP)
BEARER_SCOPE = Scope.of(str(TMGI))


def kms_of(domain: str) -> str:
    return f"kms.{domain}"


def mdsi(domain: str) -> str:
    return f"mcx.{domain}"


def gms_uri(domain: str) -> str:
    return f"gms.{domain}"


def user(name: str, domain: str = A) -> str:
    return f"sip:{name}@{domain}"


def initiator(uri: str, domain: str = A) -> Initiator:
    return Initiator(kms(kms_of(domain)).identity(uri), kms(kms_of(domain)).public)


def recipient(uri: str, domain: str = A) -> Recipient:
    return Recipient(uri, kms(kms_of(domain)).public)


def server(domain: str = A) -> ServerEngine:
    public = kms(kms_of(domain)).public
    keys = kms(kms_of(domain)).identity(mdsi(domain))
    receiver = Receiver([keys], [public], ReplayCache())
    return ServerEngine(domain, Initiator(keys, public), Recipient("", public), receiver)


def gms(domain: str = B) -> GmsEngine:
    return GmsEngine(domain, initiator(gms_uri(domain), domain))


def gms_party(domain: str = B) -> Party:
    return Party(gms_uri(domain), kms_of(domain), domain)


def partner(domain: str = B) -> Partner:
    return Partner(gms_uri(domain), domain, kms(kms_of(domain)).public)


def client(name: str = "user", domain: str = A, groups: Mapping[str, str] | None = None) -> ClientEngine:
    """A client of ``domain`` that knows both KMSs; ``groups`` are at home with the GMSs of these domains."""
    homes = {GROUP: B, OTHER_GROUP: B} if groups is None else groups
    return ClientEngine(
        [kms(kms_of(domain)).identity(user(name, domain))],
        [kms(kms_of(known)).public for known in (A, B)],
        Party(mdsi(domain), kms_of(domain), domain),
        {group: gms_party(home) for group, home in homes.items()},
    )


def carrier_of(tag: PurposeTag) -> Carrier:
    return next(carrier for carrier in Carrier if tag in carrier.value)


def give(to: ClientEngine, message: bytes, tag: PurposeTag, now: float = NOW) -> list[Event]:
    """A key message by the carrier that its kind has."""
    bearer = TMGI if tag is PurposeTag.MSCCK else None
    return to.key_message(message, carrier_of(tag), now, bearer=bearer)


def hand_out(key: Key, to: ClientEngine, by: Initiator, now: float = NOW, **options: object) -> list[Event]:
    """``key`` in a message of its own, signed by ``by``."""
    form = options.pop("form", Form())
    (message,) = write(key, by, [recipient(to.uri)], now, form=form, **options)  # type: ignore[arg-type]
    return give(to, message, key.key_id.tag, now)


def deliver(
    at: ServerEngine, clients: Iterable[ClientEngine], now: float = NOW, *, but: Iterable[str] = ()
) -> list[Download]:
    """Every download that is due, given to its client and answered; those for ``but`` get lost on the way."""
    at_hand = {one.uri: one for one in clients}
    due = at.downloads(now)
    for download in due:
        if download.client not in but:
            answer(at, at_hand[download.client], download, now)
    return due


def answer(at: ServerEngine, to: ClientEngine, download: Download, now: float = NOW) -> list[Event]:
    try:
        give(to, download.message, download.key_id.tag, now)
    except PeerError as error:
        return at.answered(download, now, error.code)
    return at.answered(download, now)


def broadcasting(*names: str, now: float = NOW) -> tuple[ServerEngine, list[ClientEngine]]:
    """A server with a MuSiK, a bearer, and these clients, who hold both keys, a CSK, and listen."""
    at, clients = server(), [client(name) for name in names]
    uris = [one.uri for one in clients]
    for one in clients:
        at.csk_uploaded(one.uri, one.make_csk(now)[1], now)
    at.make_musik(MUSIK_SCOPE, uris, now)
    at.activate_bearer(TMGI, uris, now)
    deliver(at, clients, now)
    for uri in uris:
        at.listens(uri, TMGI, GROUP, now)
    return at, clients


def idle(sequence_number: int = 1, ssrc: int = 1) -> FloorIdle:
    return FloorIdle(ssrc=ssrc, sequence_number=sequence_number)
