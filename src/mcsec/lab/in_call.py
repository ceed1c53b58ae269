"""Who would hear it if somebody said something in a call now."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mcsec.client.calls.states import CallState
from mcsec.client.service import McClient
from mcsec.server.calls.service import Calls


def all_in(group: str, clients: Collection[McClient], servers: Iterable[Calls]) -> bool:
    """Whether each of ``clients`` hears the call of ``group``: it, its participating and the controlling function know.

    A client has its call when the INVITE comes. What is said before its answer went all the way back to the controlling
    function, it does not hear.
    """
    known = tuple(servers)
    users = {client.profile.mc_service_id for client in clients}
    members = {
        user for calls in known if group in calls.focuses for user in calls.focuses[group].call.members
    }
    served = {
        user
        for calls in known
        if group in calls.servings
        for user, leg in calls.servings[group].legs.items()
        if leg.ready
    }
    return users <= members & served and all(
        group in client.calls and client.calls[group].state is CallState.IN_CALL for client in clients
    )
