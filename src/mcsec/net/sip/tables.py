"""Following a table of states: one place for what happens when a step is not in it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from mcsec.errors import WrongState

S = TypeVar("S", bound=StrEnum)
I = TypeVar("I", bound=StrEnum)  # noqa: E741  # the input, beside S for the state


def follow(table: Mapping[S, Mapping[I, S]], state: S, what: I, subject: str) -> S:
    """The state after ``what`` in ``state``; ``subject`` names the machine in the error.

    :raises WrongState: the table has no such step.
    """
    after = table[state].get(what)
    if after is None:
        raise WrongState(f"a {subject} that is {state} takes no step {what!r}", code=f"sip.{subject}-state")
    return after
