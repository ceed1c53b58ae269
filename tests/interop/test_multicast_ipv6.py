"""IPv6 multicast on loopback, in a network namespace of its own: loopback has no IPv6 multicast route by default."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
from mcsec.crypto.srtp import ForwardedMedia
from mcsec.errors import LocalError
from mcsec.net.multicast import MulticastGroup, MulticastReceiver, MulticastSender

MEDIA = b"\\x80" + bytes(11) + b"over six"

async def main():
    group, heard = MulticastGroup.of("ff15::77", 47000), asyncio.Queue()
    with MulticastReceiver(lambda *packet: heard.put_nowait(packet)) as bearer:
        bearer.join(group)
        with MulticastSender(group) as sender:
            sender.send(ForwardedMedia(MEDIA))
            async with asyncio.timeout(30):
                octets, source, heard_in = await heard.get()
            assert (octets, source[0], heard_in) == (MEDIA, "::1", group), (octets, source, heard_in)
    print("heard")

asyncio.run(main())
"""


@pytest.mark.peer("unshare", "ip")
def test_ipv6_on_loopback() -> None:
    script = 'ip link set lo up && ip -6 route add local ff00::/8 dev lo table local && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script, sys.executable, PROGRAM],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr
