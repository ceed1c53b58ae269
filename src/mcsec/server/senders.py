"""Who sent a request: only what was proven counts (RFC 3325; TS 24.379 7.3.1).

A public user identity (IMPU) is proven by a trusted neighbour's assertion, by a client certificate that names it, by
the connection on which it was registered, by digest credentials in a REGISTER, or, over UDP or through a proxy, by the
way on which it was registered together with a signature under its CSK. A From header proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from mcsec.errors import PeerError, Refused
from mcsec.net.sip.auth import Unauthorized
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Peer, Trust
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import decode_addresses
from mcsec.server.subscribers import Credentials
from mcsec.store.server import StoredUser


class Proof(Enum):
    """How an IMPU is proven."""

    ASSERTED = "a trusted neighbour asserts it"
    CERTIFICATE = "the client certificate names it"
    FLOW = "it was registered on this connection"
    DIGEST = "digest credentials of its owner"
    ADDRESS = "it was registered from this address: only with a signature under its CSK"
    PROXY = "others may come by the proxy that it was registered through: only with a signature under its CSK"
    CLAIMED = "nothing but the request says so: only with an access token"

    @property
    def alone(self) -> bool:
        """Whether nothing else is needed."""
        return self in (Proof.ASSERTED, Proof.CERTIFICATE, Proof.FLOW, Proof.DIGEST)

    @property
    def with_signature(self) -> bool:
        """Whether a body that is signed under the user's CSK makes up for what is missing."""
        return self in (Proof.ADDRESS, Proof.PROXY)


@dataclass(frozen=True, slots=True)
class Sender:
    """An IMPU, and how far it is proven."""

    impu: str
    proof: Proof


def _address(peer: Peer) -> tuple[str, str, int]:
    return (peer.transport, peer.host, peer.port)


class Senders:
    """Which IMPUs were registered by which flow."""

    def __init__(self, trust: Trust, credentials: Credentials | None = None) -> None:
        """:param credentials: every REGISTER that nothing else proves must carry some."""
        self._trust, self._credentials = trust, credentials
        self._flows: dict[int, set[str]] = {}
        self._addresses: dict[tuple[str, str, int], set[str]] = {}

    def trusts(self, peer: Peer) -> bool:
        """Whether ``peer`` may vouch for others: the SIP core."""
        return self._trust.covers(peer)

    def restore(self, users: Iterable[StoredUser]) -> None:
        """Users that were written down before a restart: who is reached by datagrams has its address still."""
        for user in users:
            place = _place_of_datagrams(user.contact) if not user.path else None
            if place is not None:
                self._addresses.setdefault(place, set()).add(user.impu)

    def bind(self, peer: Peer, impu: str) -> None:
        """``impu`` was authorised by a request that came from ``peer``."""
        if peer.reliable:
            self._flows.setdefault(peer.flow, set()).add(impu)
        else:
            self._addresses.setdefault(_address(peer), set()).add(impu)

    def release(self, peer: Peer, impu: str) -> None:
        """``impu`` logged off."""
        known = self._flows.get(peer.flow) if peer.reliable else self._addresses.get(_address(peer))
        if known is not None:
            known.discard(impu)
        if not peer.reliable and not known:
            self._addresses.pop(_address(peer), None)

    def closed(self, peer: Peer) -> None:
        """A connection is gone; its number does not come again."""
        self._flows.pop(peer.flow, None)

    def open(self, peer: Peer) -> bool:
        """Whether a connection is there on which somebody was authorised."""
        return peer.flow in self._flows if peer.reliable else True

    def of(self, request: Request, peer: Peer) -> Sender:
        """Who sent ``request``. Assertions of peers that are not trusted were taken out of it before.

        :raises Refused: the trusted neighbour asserts no identity. :raises BadMessage: an address is none.
        """
        if self.trusts(peer):
            asserted = decode_addresses(request.headers.all("P-Asserted-Identity"))
            if not asserted:
                raise Refused(
                    "the SIP core asserts no identity",
                    code="server.sender",
                    clause="RFC 3325 5; TS 24.229 5.7",
                )
            return Sender(asserted[0].parsed().address_of_record(), Proof.ASSERTED)
        claimed = request.from_.parsed().address_of_record()
        if claimed.lower() in peer.names:
            return Sender(claimed, Proof.CERTIFICATE)
        known = self._flows.get(peer.flow) if peer.reliable else self._addresses.get(_address(peer))
        if claimed not in (known or ()):
            return Sender(claimed, Proof.CLAIMED)
        if len(request.vias) > 1:
            return Sender(claimed, Proof.PROXY)
        return Sender(claimed, Proof.FLOW if peer.reliable else Proof.ADDRESS)

    def registering(self, request: Request, peer: Peer, now: float) -> Sender:
        """Who sent a REGISTER.

        :raises Unauthorized: it is to be challenged. :raises PeerError: as :meth:`of`, or credentials of another.
        """
        sender = self.of(request, peer)
        if self._credentials is None or sender.proof.alone:
            return sender
        self._credentials.check(request, sender.impu, now)
        return replace(sender, proof=Proof.DIGEST)

    def challenge(self, request: Request, refused: Unauthorized, now: float) -> Response:
        """The answer to a REGISTER that :meth:`registering` found unauthorized."""
        assert self._credentials is not None, "nobody else asks for credentials"
        return self._credentials.challenge(request, refused, now)


def _place_of_datagrams(contact: str) -> tuple[str, str, int] | None:
    """Where a contact is reached by UDP; None: not by UDP, or nowhere that datagrams could come from."""
    try:
        uri = Uri.decode(contact)
    except PeerError:
        return None
    transport = (uri.params.get("transport") or "udp").upper()
    return ("UDP", uri.host.strip("[]"), uri.port or 5060) if transport == "UDP" else None


def address_of_record(uri: str) -> str:
    """The IMPU that a URI names.

    :raises BadMessage: it is none.
    """
    return Uri.decode(uri).address_of_record()
