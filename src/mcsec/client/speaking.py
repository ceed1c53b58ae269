"""What the commands do in calls: say a file, and record what is heard."""

from __future__ import annotations

import asyncio
from array import array
from dataclasses import dataclass

from mcsec.client.audio.recorder import Recorder
from mcsec.client.calls.service import McCall
from mcsec.client.calls.uplink import key_for
from mcsec.client.service import McClient
from mcsec.errors import Forbidden
from mcsec.keys.kinds import Traffic

#: Seconds between looks at the keyring.
_LOOK = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a user wants in the call of ``group``; see :meth:`McClient.call`. ``patience``: seconds to wait for the GMK,
    and again for the floor.
    """

    group: str
    chat: bool = False
    emergency: bool = False
    imminent_peril: bool = False
    broadcast: bool = False
    priority: int | None = None
    patience: float = 10.0


async def joined(client: McClient, errand: Errand) -> McCall:
    """The call of the group: the one that goes on, or a call of ours."""
    known = client.calls.get(errand.group)
    if known is not None:
        return known
    return await client.call(
        errand.group,
        chat=errand.chat,
        emergency=errand.emergency,
        imminent_peril=errand.imminent_peril,
        broadcast=errand.broadcast,
        priority=errand.priority,
    )


async def say(client: McClient, errand: Errand, samples: array[int]) -> int:
    """Join the call, say ``samples``; the number of frames that were said.

    :raises Forbidden: no GMK came in time. :raises FloorNotGranted: the floor was not granted.
    :raises PeerError: :raises WrongState: as for :meth:`McClient.call`.
    """
    await _keyed(client, errand)
    call = await joined(client, errand)
    return await call.talk(samples, within=errand.patience)


async def record(client: McClient, errand: Errand, recorder: Recorder | None, stop: asyncio.Event) -> None:
    """Join the call, and write what is heard, in this call and in those that follow, until ``stop``."""

    def begun(call: McCall) -> None:
        if recorder is not None and call.group == errand.group:
            call.on_audio = recorder.frame

    client.on_call = begun
    for call in client.calls.values():
        begun(call)
    await joined(client, errand)
    await stop.wait()


async def _keyed(client: McClient, errand: Errand) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + errand.patience
    while True:
        try:
            key_for(client.engine, Traffic.GROUP_MEDIA, errand.group, client.now)
        except Forbidden:
            if loop.time() >= deadline:
                raise
        else:
            return
        await asyncio.sleep(_LOOK)
