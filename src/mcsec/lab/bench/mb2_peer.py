"""The yardstick of MB2-C: python-diameter's node on both sides, with the same messages, between two processes."""

from __future__ import annotations

import logging
import multiprocessing
import socket
import threading
import time
from contextlib import suppress
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from mcsec.errors import LocalError
from mcsec.lab.bench.mb2_messages import BMSC, GAA, GAR, GCS, IN_FLIGHT, MCX, OPERATOR
from mcsec.wire.diameter.header import Header
from mcsec.wire.diameter.message import encode_answer, encode_request
from mcsec.wire.diameter.table import MB2C, TGPP

#: What brings it, for those who miss it.
INSTALL = "pip install python-diameter"
_SESSION_ID = 263


def installed() -> bool:
    """Whether there is a yardstick."""
    try:
        import_module("diameter.node")
    except ImportError:
        return False
    return True


def exchanges(requests: int) -> float:
    """GAR/GAA per second of python-diameter's node, with as many in flight as ours has.

    :raises LocalError: it is not there, or one of its processes did not get on.
    """
    if not installed():
        raise LocalError("the yardstick needs python-diameter", code="bench.no-yardstick", hint=INSTALL)
    spawn = multiprocessing.get_context("spawn")
    here, there = multiprocessing.Pipe()
    server = spawn.Process(target=_server, args=(there,), daemon=True)
    server.start()
    client = None
    try:
        port = _told(here)
        client = spawn.Process(target=_client, args=(there, port, requests), daemon=True)
        client.start()
        answered, seconds = _told(here)
        if answered < requests:
            raise LocalError(
                f"python-diameter's node lost {requests - answered} requests", code="bench.process"
            )
        return float(requests / seconds)
    finally:
        # Its own way to stop takes many seconds, and there is nothing that would be lost.
        for process in (client, server):
            if process is not None:
                process.kill()
                process.join(10)


def _told(pipe: Connection) -> Any:
    if not pipe.poll(60):
        raise LocalError("python-diameter's node did not get on in time", code="bench.process")
    return pipe.recv()


def _node(host: str, realm: str, other: str, other_realm: str, port: int, handler: Any) -> Any:
    """A node of theirs that listens at ``port``, or where that is 0 at a free one; its application and port."""
    node_module, applications = import_module("diameter.node"), import_module("diameter.node.application")
    logging.disable(logging.CRITICAL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        own = int(probe.getsockname()[1])
    node = node_module.Node(host, realm, ip_addresses=["127.0.0.1"], tcp_port=own, vendor_ids=[TGPP])
    peer = node.add_peer(
        f"aaa://{other}:{port or 3868}",
        other_realm,
        ip_addresses=["127.0.0.1"] if port else [],
        is_persistent=bool(port),
    )
    application = applications.SimpleThreadingApplication(
        MB2C, is_auth_application=True, max_threads=IN_FLIGHT, request_handler=handler
    )
    # It looks for the way of a request that it has no class for by its own realm.
    node.add_application(application, [peer], [realm])
    node.start()
    return application, own


def _parts(octets: bytes) -> list[Any]:
    """Their AVPs for one of our messages, but for Session-Id."""
    message = import_module("diameter.message").Message.from_bytes(octets, plain_msg=True)
    return [part for part in message.avps if part.code != _SESSION_ID]


def _server(pipe: Connection) -> None:
    new_avp = import_module("diameter.message").Avp.new
    parts = _parts(encode_answer(GAA, Header.decode(encode_request(GAR, 1, 1))))

    def answer(_application: Any, request: Any) -> Any:
        made = request.to_answer()
        made.append_avp(new_avp(_SESSION_ID, value=request.session_id))
        for part in parts:
            made.append_avp(part)
        return made

    _, port = _node(BMSC, OPERATOR, GCS, MCX, 0, answer)
    pipe.send(port)
    threading.Event().wait()


def _client(pipe: Connection, port: int, requests: int) -> None:
    new_avp = import_module("diameter.message").Avp.new
    gcs_action = import_module("diameter.message.commands").GCSAction
    parts = _parts(encode_request(GAR, 1, 1))
    application, _ = _node(GCS, MCX, BMSC, OPERATOR, port, lambda _application, request: request.to_answer())
    application.wait_for_ready(20)
    left, answered = list(range(requests)), list[int]()

    def one_after_the_other() -> None:
        while left:
            with suppress(IndexError):
                ask(left.pop())

    def ask(number: int) -> None:
        message = gcs_action()
        message.header.is_request = message.header.is_proxyable = True
        message.append_avp(new_avp(_SESSION_ID, value=f"{GCS};1;{number}"))
        for part in parts:
            message.append_avp(part)
        with suppress(TimeoutError):
            application.send_request(message, 10)
            answered.append(number)

    threads = [threading.Thread(target=one_after_the_other) for _ in range(IN_FLIGHT)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send((len(answered), time.perf_counter() - began))
    threading.Event().wait()
