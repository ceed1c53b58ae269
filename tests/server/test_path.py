"""A client that registered through a proxy is reached through it: what Path said is the Route (RFC 3327)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcsec.errors import InvalidValue
from mcsec.keys.key import Scope
from mcsec.net.sip.compose import make_request, make_response
from mcsec.net.sip.endpoint import Endpoint
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.peer import Hop, Peer
from mcsec.net.sip.registrar import RegistrarSettings
from mcsec.net.sip.template import route_lines
from mcsec.net.sip.uri import Uri
from mcsec.server.locations import Locations, Place
from mcsec.store import server as written
from mcsec.store.server import StoredUser
from support.mc_server import ALICE, GROUP, running
from support.waiting import until

CONTACT = "sip:alice@192.0.2.7:5070;transport=tcp"


@pytest.mark.anyio
async def test_keys_go_the_way_that_path_gave(tmp_path: Path) -> None:
    came: list[Request] = []

    def proxy(request: Request, peer: Peer) -> Response:
        came.append(request)
        return make_response(request, 200)

    async with Endpoint(proxy) as endpoint:
        _, port = await endpoint.listen("TCP", "127.0.0.1")
        path = (f"<sip:127.0.0.1:{port};transport=tcp;lr;ob>", "<sip:inner.example;lr>")
        async with running(tmp_path, default_musik=False) as at:
            user = StoredUser(ALICE, ALICE, "urn:uuid:1", time.time() + 600, CONTACT, path)
            await at.server.write([written.put_user(user), *written.affiliate(ALICE, [GROUP], [])])
        async with running(tmp_path, default_musik=False) as at:
            assert at.server.where(ALICE) == Place(CONTACT, Hop.of(Uri.decode(path[0][1:-1])), path)
            await at.server.make_musik(Scope.of(GROUP))
            await until(lambda: at.server.events["MuSiKHeld"])
    (message,) = came
    assert (message.method, message.uri) == ("MESSAGE", CONTACT)
    assert tuple(message.headers.all("Route")) == path


def test_a_registration_keeps_its_path() -> None:
    locations = Locations(None, RegistrarSettings())
    headers = [
        ("Contact", f"<{CONTACT}>"),
        ("Path", "<sip:edge.example;lr>, <sip:core.example;lr>"),
        ("Supported", "path"),
        ("Expires", "600"),
    ]
    request = make_request("REGISTER", "sip:a.example", from_=ALICE, to=ALICE, headers=headers)
    proxy = Peer("TCP", "127.0.0.1", 40000, flow=7, local=("127.0.0.1", 5060))
    assert locations.register(request, proxy, ALICE, 1.0)[0].ok
    place = locations.where(ALICE, 2.0)
    # By the connection of the proxy, and through it.
    assert place == Place(CONTACT, proxy, ("<sip:edge.example;lr>", "<sip:core.example;lr>"))
    assert place.headers == [("Route", "<sip:edge.example;lr>"), ("Route", "<sip:core.example;lr>")]
    locations.closed(proxy)
    place = locations.where(ALICE, 2.0)
    assert place is not None
    assert place.target == Hop.of(Uri.decode("sip:edge.example;lr"))


def test_a_route_is_one_line() -> None:
    assert route_lines(()) == b""
    assert route_lines(("<sip:a;lr>", "<sip:b;lr>")) == b"Route: <sip:a;lr>\r\nRoute: <sip:b;lr>\r\n"
    for bad in ("", "<sip:a>\r\nVia: x"):
        with pytest.raises(InvalidValue):
            route_lines((bad,))
