"""How an endpoint is set up: one place for every knob."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from mcsec.net.sip.peer import Hop, Trust
from mcsec.net.sip.timers import DEFAULT_TIMINGS, Timings
from mcsec.net.sip.transport import TransportSettings
from mcsec.net.sip.vetting import Abilities
from mcsec.net.sip.window import DEFAULT_WINDOW, WindowSettings


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Settings of an endpoint; every one has a default that is safe.

    ``outbound``: next hop of requests that have neither target nor Route (the SIP core). ``trust``: who may
    assert identities to us. ``client_tls``: context for TLS connections that we open. ``advertised``: host that
    Via and Contact show instead of the bound address. ``datagram_limit``: octets above which a request goes by
    TCP instead of UDP (RFC 3261 18.1.1). ``handlers``: requests being handled at a time; more are answered 503.
    ``transactions``: transactions remembered at a time; more are answered 503. ``answer_within``: seconds after
    which a handler that gave no answer is cancelled and 500 is sent, below timer F of the other side.
    """

    outbound: Hop | None = None
    trust: Trust = field(default_factory=Trust)
    client_tls: ssl.SSLContext | None = None
    advertised: str | None = None
    abilities: Abilities = field(default_factory=Abilities)
    timings: Timings = DEFAULT_TIMINGS
    transport: TransportSettings = field(default_factory=TransportSettings)
    window: WindowSettings = DEFAULT_WINDOW
    datagram_limit: int = 1300
    handlers: int = 1000
    transactions: int = 100_000
    answer_within: float = 25.0
