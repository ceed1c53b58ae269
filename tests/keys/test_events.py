"""Events: frozen, named for what happened, and without a place for key octets."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys import events
from mcsec.keys.events import Event, KeyEvent


def every(base: type[Event]) -> list[type[Event]]:
    return [found for child in base.__subclasses__() for found in (child, *every(child))]


#: Those of this room: events of others have types of their own.
EVENTS = [event for event in every(Event) if event is not KeyEvent and event.__module__ == events.__name__]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_fields_are_plain_public_values(event: type[Event]) -> None:
    assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]  # every event is a dataclass
    assert {field.type for field in fields(event)} <= {"float", "int", "str", "KeyId", "KeyId | None"}
    assert event.__doc__


@pytest.mark.parametrize("tag", list(PurposeTag))
def test_an_event_is_named_for_the_kind_at_hand(tag: PurposeTag) -> None:
    key_id = KeyId.random(tag)
    event = events.KeyInstalled(1.0, key_id, "default", "sip:mcx")
    assert event.name == f"{tag.label}Installed"
    assert event.describe() == {
        "event": event.name,
        "now": 1.0,
        "key_id": str(key_id),
        "scope": "default",
        "signer": "sip:mcx",
    }


def test_what_is_not_known_is_left_out() -> None:
    refused = events.DownloadRefused(1.0, "sip:mallory", "mikey.signature", "")
    assert set(refused.describe()) == {"event", "now", "signer", "code"}


def test_events_do_not_change() -> None:
    event = events.KeyMade(1.0, KeyId(0x60000001))
    with pytest.raises(FrozenInstanceError):
        event.now = 2.0  # type: ignore[misc]  # on purpose
