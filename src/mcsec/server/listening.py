"""Listening and suspension reports (TS 24.379 14.3.3, 14.3.4): who is served by the bearer, and who by unicast."""

from __future__ import annotations

from mcsec.errors import DecodeError, Refused
from mcsec.ids import Tmgi
from mcsec.keys.events import Event
from mcsec.server.events import ListeningReported, SuspensionReported
from mcsec.server.function import Done, Function
from mcsec.server.users import User
from mcsec.store import server
from mcsec.store.group_commit import Write
from mcsec.wire import mbms_usage
from mcsec.wire.mbms_usage import Listening, Suspension
from mcsec.wire.mc_bodies import Body


def report(function: Function, body: Body, user: User, now: float) -> Done:
    """Acts on a report.

    :raises DecodeError: it is none. :raises Refused: a bearer or call that is not known, or not the user's to hear;
        nothing has changed.
    """
    usage = mbms_usage.decode(body.needed(mbms_usage.CONTENT_TYPE).content)
    if usage.listening is None and usage.suspension is None:
        raise DecodeError("no report", code="server.report", clause="TS 24.379 14.3.3")
    done = Done()
    if usage.listening is not None:
        done += _listening(function, usage.listening, user, now)
    if usage.suspension is not None:
        done += _suspension(usage.suspension, user, now)
    return done


def _listening(function: Function, told: Listening, user: User, now: float) -> Done:
    engine, name = function.engine, user.mc_service_id
    group = "" if told.general_purpose or told.session_id is None else told.session_id
    if not told.listening and told.session_id is not None:
        # A client that lost a bearer says general-purpose=false, and may name the call that it heard there.
        group = told.session_id
    if group and group not in user.groups:
        raise Refused(
            f"{group} is no call of {name}", code="server.unknown-session", clause="TS 24.379 14.3.3"
        )
    for tmgi in told.tmgis:
        engine.check_listener(name, tmgi, group or None)
    happened: list[Event] = []
    writes: list[Write] = []
    tells = engine.listens if told.listening else engine.listens_no_more
    for tmgi in told.tmgis:
        happened += tells(name, tmgi, group or None, now)
        writes += _writes(user, tmgi, group, told.listening)
    done = function.done(happened, *writes)
    named = tuple(str(tmgi) for tmgi in told.tmgis)
    done.events.append(ListeningReported(now, name, told.listening, named, group))
    return done


def all_leave(function: Function, tmgi: Tmgi, now: float) -> tuple[dict[str, frozenset[str]], Done]:
    """Nobody is served by the bearer any more, from this moment on: who heard which group's call there.

    What has to be written is for the caller to carry out; until then a restart would only repeat this.
    """
    engine = function.engine
    rotation = engine.keydown.msccks.get(str(tmgi))
    gone = set() if rotation is None else set(rotation.audience.listeners)
    calls = {group: frozenset(engine.listeners.on(str(tmgi), group)) for group in engine.listeners.groups}
    heard = {group: who for group, who in calls.items() if who}
    happened: list[Event] = []
    for client in sorted(gone.union(*heard.values())):
        happened += engine.listens_no_more(client, tmgi, None, now)
    writes = [server.listening(client, str(tmgi), "", False) for client in sorted(gone)]
    for group, who in heard.items():
        writes += [server.listening(client, str(tmgi), group, False) for client in sorted(who)]
    return heard, function.done(happened, *writes)


def _writes(user: User, tmgi: Tmgi, group: str, listens: bool) -> list[Write]:
    # Whoever does not hear the bearer hears no call on it either.
    groups = [group] if listens or group else ["", *sorted(user.groups)]
    return [server.listening(user.mc_service_id, str(tmgi), one, listens) for one in groups]


def _suspension(told: Suspension, user: User, now: float) -> Done:
    tmgis = tuple(str(tmgi) for tmgi in told.suspended_tmgis)
    return Done([SuspensionReported(now, user.mc_service_id, told.suspended, tmgis)])
