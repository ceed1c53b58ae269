"""Legs written down while they last, so that a server that was killed ends them when it is there again.

A call does not outlive its server: what it knew of the floor is gone. What is left are dialogs that the others still
believe in, until their session timers end. They are told at once instead: BYE, to clients as soon as they have
registered anew; and why, so that clients make the calls again (:mod:`mcsec.client.calls.rejoining`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from mcsec.errors import McsecError
from mcsec.net.sip.calls import Call
from mcsec.net.sip.dialogs import Dialog
from mcsec.net.sip.peer import Hop
from mcsec.net.sip.reason import SERVER_GONE, Reason
from mcsec.net.sip.uri import Uri
from mcsec.net.sip.values import NameAddr
from mcsec.net.sip.ways import Target
from mcsec.server.service import McServer
from mcsec.store.calls import StoredCall, drop_call, put_call
from mcsec.store.group_commit import Write

#: Above what the dialog can have used: nothing that we sent in it had a higher CSeq.
_BEYOND = 100_000
_ANEW = Reason(SERVER_GONE, "the server was started again")
#: Seconds between tries to reach a client, and how many.
_AGAIN, _TRIES = 1.0, 60


def name_of(call: Call) -> str:
    """What a leg is written down under."""
    return f"{call.dialog.id.call_id} {call.dialog.id.local_tag}"


def written(group: str, owner: str, call: Call, now: float) -> Write:
    """A leg that began; ``owner`` is the user whom it is for, or with ``@`` before it, the partner's domain."""
    dialog = call.dialog
    description = {
        "owner": owner,
        "call_id": dialog.id.call_id,
        "local": dialog.local.encode(),
        "remote": dialog.remote.encode(),
        "target": dialog.target,
        "routes": list(dialog.routes),
    }
    return put_call(StoredCall(name_of(call), group, now, description=json.dumps(description)))


def dropped(call: Call) -> Write:
    """A leg that is over."""
    return drop_call(name_of(call))


class Leftovers:
    """Ends the legs of a server that is no more."""

    def __init__(self, server: McServer, partners: dict[str, Target]) -> None:
        """:param partners: how partners are reached, by domain."""
        self._server, self._partners = server, partners

    async def end(self, rows: Iterable[StoredCall]) -> None:
        """BYE on each; returns when each was told or given up, and nothing is written down of them any more."""
        await asyncio.gather(*(self._end(row) for row in rows))

    async def _end(self, row: StoredCall) -> None:
        try:
            found: dict[str, Any] = json.loads(row.description)
            dialog = Dialog(
                call_id=found["call_id"],
                local=NameAddr.decode(found["local"]),
                remote=NameAddr.decode(found["remote"]),
                target=found["target"],
                routes=found["routes"],
                contact="",
                local_cseq=_BEYOND,
                remote_cseq=None,
            )
            owner = str(found["owner"])
        except (ValueError, KeyError, McsecError):
            # Another version wrote it; the session timers of the others end it.
            pass
        else:
            await self._say_bye(dialog, owner)
        await self._server.write([drop_call(row.call_id)])

    async def _say_bye(self, dialog: Dialog, owner: str) -> None:
        for _ in range(_TRIES):
            target = self._where(owner)
            if target is not None:
                try:
                    await self._server.endpoint.request(
                        dialog.request("BYE", headers=[_ANEW.header()]), target
                    )
                except McsecError:
                    pass
                else:
                    return
            await asyncio.sleep(_AGAIN)

    def _where(self, owner: str) -> Target | None:
        if owner.startswith("@"):
            return self._partners.get(owner[1:])
        way = self._server.where(owner)
        if way is None:
            return None
        return Hop.of(Uri.decode(way.uri)) if way.target is None else way.target
