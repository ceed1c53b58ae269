"""Ports for servers that must know each other's before they run: no two processes are given the same one."""

from __future__ import annotations

import socket
import subprocess
import sys

from mcsec.lab.ports import free_port

PROGRAM = """
import sys
from mcsec.lab.ports import free_port
print(*(free_port() for _ in range(300)), flush=True)
sys.stdin.read()
"""


def test_processes_that_run_at_a_time_share_none() -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    given = [{free_port() for _ in range(100)}]
    for process in started:
        assert process.stdout is not None
        given.append({int(word) for word in process.stdout.readline().split()})
    for process in started:
        process.communicate()
    assert [len(ports) for ports in given] == [100, 300, 300, 300]
    assert len(set().union(*given)) == 1000
    assert max(set().union(*given)) < 32768, "below the ports that a system gives to whoever connects"


def test_a_port_is_free_for_both_transports() -> None:
    port = free_port()
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as taken:
            taken.bind(("127.0.0.1", port))
