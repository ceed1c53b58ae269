"""What a BM-SC says to the bearer engine of a GCS AS, for tests of it."""

from __future__ import annotations

from ipaddress import IPv4Address

from mcsec.ids import Tmgi
from mcsec.server.bearers.bearer import Wish
from mcsec.server.bearers.engine import Bearers
from mcsec.server.bearers.events import Ask, Output
from mcsec.server.bearers.policy import BearerPolicy
from mcsec.wire.mb2.groups import MbmsBearerResponse, TmgiAllocationResponse
from mcsec.wire.mb2.masks import BearerResult
from mcsec.wire.mb2.messages import Gaa, Gnr
from mcsec.wire.mb2.values import FlowId, SessionDuration

HOST = "bmsc.example.org"
AREAS = (1, 2)
POLICY = BearerPolicy(heartbeat=None)


def gaa(**parts: object) -> Gaa:
    return Gaa(session_id="s", origin_host=HOST, origin_realm="example.org", result_code=2001, **parts)


def gnr(**parts: object) -> Gnr:
    return Gnr(
        session_id="s",
        origin_host=HOST,
        origin_realm="example.org",
        destination_realm="a",
        destination_host="gcsas",
        **parts,
    )


def tmgi(number: int) -> Tmgi:
    return Tmgi(number, "001", "01")


def allocated(number: int, seconds: int | None = 3600) -> Gaa:
    duration = SessionDuration.of(seconds)
    return gaa(
        tmgi_allocation_response=TmgiAllocationResponse(tmgi=(tmgi(number),), mbms_session_duration=duration)
    )


def started(number: int, result: BearerResult | None = None, flow: int = 1) -> Gaa:
    response = MbmsBearerResponse(
        tmgi=tmgi(number),
        mbms_flow_identifier=FlowId(flow),
        bmsc_address=(IPv4Address("127.0.0.1"),),
        bmsc_port=9470,
        mbms_bearer_result=result,
    )
    return gaa(mbms_bearer_response=(response,))


def refused(result: BearerResult) -> Gaa:
    return gaa(mbms_bearer_response=(MbmsBearerResponse(mbms_bearer_result=result),))


def only_ask(happened: list[Output]) -> Ask:
    (ask,) = [one for one in happened if isinstance(one, Ask)]
    return ask


def names(happened: list[Output]) -> list[str]:
    return [type(one).__name__ for one in happened]


def activate(bearers: Bearers, now: float = 0.0) -> Bearers:
    bearers.connected(now)
    ask = only_ask(bearers.want("one", Wish(AREAS), now))
    ask = only_ask(bearers.answered(ask.number, allocated(1), now))
    happened = bearers.answered(ask.number, started(1), now)
    assert names(happened) == ["BearerActive"]
    return bearers
