"""The life of a subscription as a table, the same for both sides (RFC 6665 4.1.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import Params, is_token
from mcsec.net.sip.refreshing import seconds
from mcsec.net.sip.tables import follow


class SubscriptionState(StrEnum):
    """Where a subscription is; the last three are what NOTIFY says."""

    NOTIFY_WAIT = "waiting for the first NOTIFY"
    PENDING = "pending"
    ACTIVE = "active"
    TERMINATED = "terminated"


class SubscriptionInput(StrEnum):
    """What happens to it."""

    PENDING = "NOTIFY pending"
    ACTIVE = "NOTIFY active"
    TERMINATED = "NOTIFY terminated"
    NO_NOTIFY = "no NOTIFY in time"
    EXPIRED = "not refreshed in time"
    GONE = "the other side is gone"


_S, _I = SubscriptionState, SubscriptionInput
_ENDS: Final = {_I.TERMINATED: _S.TERMINATED, _I.EXPIRED: _S.TERMINATED, _I.GONE: _S.TERMINATED}

SUBSCRIPTION: Final[dict[SubscriptionState, dict[SubscriptionInput, SubscriptionState]]] = {
    _S.NOTIFY_WAIT: {
        _I.PENDING: _S.PENDING,
        _I.ACTIVE: _S.ACTIVE,
        _I.NO_NOTIFY: _S.TERMINATED,
        **_ENDS,
    },
    _S.PENDING: {_I.PENDING: _S.PENDING, _I.ACTIVE: _S.ACTIVE, **_ENDS},
    _S.ACTIVE: {_I.ACTIVE: _S.ACTIVE, **_ENDS},
    _S.TERMINATED: {},
}


def step(state: SubscriptionState, what: SubscriptionInput) -> SubscriptionState:
    """The next state of a subscription.

    :raises WrongState: the table has no such step.
    """
    return follow(SUBSCRIPTION, state, what, "subscription")


@dataclass(frozen=True, slots=True)
class SubscriptionStatus:
    """The value of ``Subscription-State``: ``expires`` and ``retry_after`` in seconds."""

    state: SubscriptionState
    expires: int | None = None
    reason: str | None = None
    retry_after: int | None = None

    @classmethod
    def decode(cls, text: str) -> SubscriptionStatus:
        """Read the header; a state that nobody knows counts as pending (RFC 6665 4.1.3).

        :raises BadMessage: there is no state.
        """
        name, semicolon, rest = text.partition(";")
        name = name.strip(" \t").lower()
        if not is_token(name):
            raise BadMessage("Subscription-State names a state", clause="RFC 6665 8.2.3")
        params = Params.decode(semicolon + rest)
        known = name in (_S.ACTIVE, _S.TERMINATED)
        return cls(
            SubscriptionState(name) if known else _S.PENDING,
            seconds(params.get("expires")),
            params.get("reason"),
            seconds(params.get("retry-after")),
        )

    def encode(self) -> str:
        """The header value."""
        params = Params()
        for name, value in (
            ("expires", self.expires),
            ("reason", self.reason),
            ("retry-after", self.retry_after),
        ):
            if value is not None:
                params = params.with_(name, value)
        return f"{self.state}{params.encode()}"


def same_event(one: str, other: str) -> bool:
    """Whether two Event values name the same package and id (RFC 6665 8.2.1)."""
    (mine, my_params), (theirs, their_params) = (
        (value.partition(";")[0].strip(" \t").lower(), Params.decode(";" + value.partition(";")[2]))
        for value in (one, other)
    )
    return mine == theirs and my_params.get("id") == their_params.get("id")
