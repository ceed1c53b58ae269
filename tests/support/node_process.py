"""A server of several as a process of its own, to be killed: ``python -m support.node_process URI PORT``.

It does what :mod:`support.sharing` does; ``PORT`` is the SIP core's. Prints the name of each event.
"""

from __future__ import annotations

import asyncio
import sys

from support.sharing import SipCore, a_server, settings


async def main(uri: str, port: int) -> None:
    async with a_server(uri, settings(SipCore(port))) as server:
        told = 0
        while True:
            for name in server.told()[told:]:
                told += 1
                print(name, flush=True)
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
