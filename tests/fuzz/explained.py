"""What ``mcsec explain`` is given: it explains anything, and raises nothing at all."""

from __future__ import annotations

from mcsec.inspect.explain import explain_octets
from mcsec.inspect.explain_mikey import explain_mikey
from mcsec.inspect.explain_rtcp import explain_rtcp

from .driver import Target
from .packets import CONTROL
from .security import GCM, MESSAGES, never, srtcp_packets


def whole(octets: bytes) -> object:
    """Every octet is accounted for, and the explanation can be shown in both ways."""
    explanation = never(explain_octets, octets)
    assert explanation.octets == octets
    return explanation.to_text(), explanation.to_dict()


PACKETS = [*CONTROL, *srtcp_packets(GCM)]

TARGETS = (
    Target("explain", whole, [*MESSAGES[:8], *PACKETS]),
    Target("explain.mikey", lambda octets: never(explain_mikey, octets), MESSAGES),
    Target("explain.rtcp", lambda octets: never(explain_rtcp, octets), PACKETS),
    Target("explain.srtcp", lambda octets: never(lambda: explain_rtcp(octets, mki_octets=4)), PACKETS),
)
