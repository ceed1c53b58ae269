"""Session timers (RFC 4028): who refreshes a call, how often, and when it is taken for dead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import Params
from mcsec.net.sip.message import Request, Response

#: The least interval that anybody may ask for, in seconds (RFC 4028 4).
LEAST: Final = 90


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """An agreed timer: ``interval`` in seconds and whether we refresh; interval 0 means that there is none."""

    interval: int = 0
    ours: bool = False

    @property
    def acts_after(self) -> float | None:
        """Seconds until we refresh, or until we end a call that the other side did not refresh (RFC 4028 10)."""
        if not self.interval:
            return None
        return self.interval / 2 if self.ours else self.interval - min(32, self.interval / 3)


def _read(value: str | None) -> tuple[int, str] | None:
    if value is None:
        return None
    seconds, semicolon, params = value.partition(";")
    seconds = seconds.strip(" \t")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= 9):
        raise BadMessage("Session-Expires is a number of seconds", clause="RFC 4028 4")
    return int(seconds), (Params.decode(semicolon + params).get("refresher") or "").lower()


def offer(interval: int, *, least: int = LEAST, ours: bool | None = None) -> Iterable[tuple[str, str]]:
    """The headers of an INVITE that asks for a timer. ``ours``: who refreshes, if that is settled already."""
    role = "" if ours is None else f";refresher={'uac' if ours else 'uas'}"
    return [
        ("Supported", "timer"),
        ("Session-Expires", f"{max(interval, least)}{role}"),
        ("Min-SE", str(least)),
    ]


def agreed(response: Response) -> SessionTimer:
    """What a 2xx to our INVITE says (RFC 4028 7.2).

    :raises BadMessage: Session-Expires is none.
    """
    found = _read(response.headers.get("Session-Expires"))
    return SessionTimer() if found is None else SessionTimer(max(found[0], LEAST), found[1] != "uas")


def too_brief(request: Request, least: int) -> bool:
    """Whether an INVITE asks for refreshes more often than we like: answer it 422 with Min-SE.

    :raises BadMessage: Session-Expires is none.
    """
    found = _read(request.headers.get("Session-Expires"))
    return found is not None and found[0] < least


def accept(request: Request, preferred: int) -> tuple[SessionTimer, list[tuple[str, str]]]:
    """The timer for an INVITE of the peer, and the headers of our 2xx (RFC 4028 9).

    The caller refreshes when it can and has not asked that we do. ``preferred`` caps the interval; 0: no timer
    unless the peer asks for one.

    :raises BadMessage: Session-Expires is none.
    """
    found = _read(request.headers.get("Session-Expires"))
    able = "timer" in (tag.lower() for tag in request.headers.listed("Supported"))
    if found is None and not preferred:
        return SessionTimer(), []
    asked, role = found or (preferred, "")
    floor = _read(request.headers.get("Min-SE"))
    interval = max(min(asked, preferred or asked), LEAST if floor is None else floor[0])
    ours = role == "uas" or not able
    lines = [("Session-Expires", f"{interval};refresher={'uas' if ours else 'uac'}")]
    if able:
        lines.append(("Require", "timer"))
    return SessionTimer(interval, ours), lines
