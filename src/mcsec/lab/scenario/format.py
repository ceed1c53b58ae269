"""The scenario file: domains, groups and steps of what a lab plays (``docs/scenarios.md``).

A file is read whole and checked whole before anything starts: unknown names, wrong types, a step about a client that
is nobody. The error says where.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mcsec.errors import LocalError

FORMAT = "mcsec-scenario/1"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
DomainName = Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=64)]
Seconds = Annotated[float, Field(gt=0, le=600)]


class ScenarioError(LocalError):
    """The file cannot be played; the text says where and why."""

    code = "lab.scenario"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BearerPlan(_Section):
    """The MBMS bearer of a domain. ``groups``: whose calls may go on it."""

    groups: list[Name] = Field(min_length=1)
    areas: list[Annotated[int, Field(ge=0, le=0xFFFF)]] = Field(default=[1], min_length=1)
    listeners: int = Field(default=1, ge=1)


class DomainPlan(_Section):
    """One MC domain: its clients by name, and its bearer if it has one."""

    clients: list[Name] = []
    bearer: BearerPlan | None = None


class GroupPlan(_Section):
    """A group: where its GMS is, and who is in it.

    ``of``: it is a temporary one, made by a ``regroup`` of these, whose members are its own. ``release_13``: every
    server is switched to Release 13 mode for it, and ``mkfc``: its GMS gives them the MKFC.
    """

    home: DomainName
    members: list[Name] = []
    of: list[Name] = []
    session: Literal["prearranged", "chat"] = "prearranged"
    release_13: bool = False
    mkfc: bool = True


class _Step(_Section):
    pass


class LogOn(_Step):
    """Clients fetch their keys, register, affiliate, and get what they are entitled to."""

    do: Literal["log-on"]
    who: list[Name] = Field(min_length=1)


class CallStep(_Step):
    """``who`` calls ``group``."""

    do: Literal["call"]
    who: Name
    group: Name


class JoinStep(_Step):
    """``who`` comes late to the call that goes on."""

    do: Literal["join"]
    who: Name
    group: Name


class TalkStep(_Step):
    """``who`` asks for the floor, talks, and gives it back.

    :ivar heard_by: who must have heard all of it. ``on_bearer``: who of them by the bearer, ``by_unicast``: who by
        unicast; not said, it does not matter. ``not_heard_by``: who must not have understood a word.
    :ivar audio: a WAV file beside the scenario; empty: speech made here.
    """

    do: Literal["talk"]
    who: Name
    group: Name
    seconds: Seconds = 1.0
    audio: str = ""
    heard_by: list[Name] = []
    on_bearer: list[Name] = []
    by_unicast: list[Name] = []
    not_heard_by: list[Name] = []


class RemoveStep(_Step):
    """The GMS takes ``who`` off ``group``: everyone else gets new keys."""

    do: Literal["remove"]
    who: Name
    group: Name


class RegroupStep(_Step):
    """The GMS makes the temporary group ``group``, and those of its members who are there affiliate to it."""

    do: Literal["regroup"]
    group: Name


class TearDownStep(_Step):
    """The GMS ends the temporary group ``group``, and with it its call."""

    do: Literal["tear-down"]
    group: Name


class RotateStep(_Step):
    """The server of ``domain`` makes its MuSiK of ``group`` anew."""

    do: Literal["rotate"]
    domain: DomainName
    group: Name


class RestartBmsc(_Step):
    """The BM-SC of ``domain`` starts anew and has forgotten everything."""

    do: Literal["restart-bmsc"]
    domain: DomainName


class Unreachable(_Step):
    """KMS and GMS of ``domain`` cannot be reached from now on."""

    do: Literal["unreachable"]
    domain: DomainName


class LeaveStep(_Step):
    """``who`` leaves the call."""

    do: Literal["leave"]
    who: Name
    group: Name


class EndStep(_Step):
    """The call of ``group`` ends for everyone."""

    do: Literal["end"]
    group: Name


class AdversaryStep(_Step):
    """Everything that was on the air is attacked with all that ``domain`` keeps secret."""

    do: Literal["adversary"]
    domain: DomainName


Step = Annotated[
    LogOn
    | CallStep
    | JoinStep
    | TalkStep
    | RemoveStep
    | RegroupStep
    | TearDownStep
    | RotateStep
    | RestartBmsc
    | Unreachable
    | LeaveStep
    | EndStep
    | AdversaryStep,
    Field(discriminator="do"),
]


class Scenario(_Section):
    """What a lab plays."""

    format: Literal["mcsec-scenario/1"]
    title: str = Field(min_length=1, max_length=200)
    within: Seconds = 60.0
    domains: dict[DomainName, DomainPlan] = Field(min_length=1)
    groups: dict[Name, GroupPlan] = Field(min_length=1)
    steps: list[Step] = Field(min_length=1)

    def domain_of(self, client: str) -> str:
        """The domain whose client it is."""
        return next(name for name, plan in self.domains.items() if client in plan.clients)

    def members(self, group: str) -> tuple[str, ...]:
        """The clients in a group, once each."""
        plan = self.groups[group]
        return tuple(dict.fromkeys([*plan.members, *(name for one in plan.of for name in self.members(one))]))

    @property
    def clients(self) -> tuple[str, ...]:
        """Every client, domain by domain."""
        return tuple(client for plan in self.domains.values() for client in plan.clients)


def read(path: Path) -> Scenario:
    """Reads and checks a file.

    :raises ScenarioError: it is not there, is no scenario, or contradicts itself.
    """
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: {error}", hint="the file is TOML, in UTF-8") from None
    try:
        return parse(content)
    except ScenarioError as error:
        raise ScenarioError(f"{path}: {error}", hint="docs/scenarios.md says what a file may hold") from None


def parse(content: Mapping[str, object]) -> Scenario:
    """Checks what a file holds.

    :raises ScenarioError: it is no scenario, or contradicts itself; every complaint is in the text.
    """
    try:
        scenario = Scenario.model_validate(content)
    except ValidationError as error:
        complaints = [f"{_place(one['loc'])}: {one['msg']}" for one in error.errors(include_url=False)]
        raise ScenarioError("; ".join(complaints)) from None
    if complaints := list(_contradictions(scenario)):
        raise ScenarioError("; ".join(complaints))
    return scenario


def _place(location: tuple[int | str, ...]) -> str:
    """``steps[3].who`` for what the checker calls a tuple. It names the kind of step too, which the reader sees."""
    text = ""
    for at, part in enumerate(location):
        if isinstance(part, int):
            text += f"[{part + 1}]"
        elif not (at >= 2 and location[0] == "steps" and at == 2):
            text += f".{part}" if text else part
    return text


def _contradictions(scenario: Scenario) -> Iterator[str]:
    clients = scenario.clients
    for twice in sorted({name for name in clients if clients.count(name) > 1}):
        yield f"client {twice} is in two places"
    for name, group in scenario.groups.items():
        if group.home not in scenario.domains:
            yield f"groups.{name}.home: there is no domain {group.home}"
        for member in group.members:
            if member not in clients:
                yield f"groups.{name}.members: there is no client {member}"
        yield from (f"groups.{name}.{complaint}" for complaint in _of_group(scenario, group))
    for domain, plan in scenario.domains.items():
        for wanted in plan.bearer.groups if plan.bearer else ():
            if wanted not in scenario.groups:
                yield f"domains.{domain}.bearer.groups: there is no group {wanted}"
    logged_on: set[str] = set()
    for number, step in enumerate(scenario.steps, 1):
        yield from (f"steps[{number}].{complaint}" for complaint in _of_step(scenario, step, logged_on))
        if isinstance(step, LogOn):
            logged_on.update(step.who)


def _of_group(scenario: Scenario, group: GroupPlan) -> Iterator[str]:
    """What is wrong with who is in a group."""
    if not group.of:
        if len(group.members) < 2:
            yield "members: a group has two members or more, or is made of groups (of)"
        return
    if group.members or group.release_13:
        yield "of: a temporary group has the members of its groups, and is not in Release 13 mode"
    if len(group.of) < 2:
        yield "of: a temporary group is made of two groups or more"
    for one in group.of:
        part = scenario.groups.get(one)
        if part is None:
            yield f"of: there is no group {one}"
        elif part.of:
            yield f"of: {one} is a temporary group itself"
        elif part.home != group.home:
            yield f"of: {one} is at home in {part.home}, and no GMS regroups those of others"


def _of_step(scenario: Scenario, step: Step, logged_on: set[str]) -> Iterator[str]:
    """What is wrong with one step: names of nobody, and what cannot be because of what came before."""
    clients = scenario.clients
    for field, value in step:
        if field in ("who", "heard_by", "on_bearer", "by_unicast", "not_heard_by"):
            for name in [value] if isinstance(value, str) else value:
                if name not in clients:
                    yield f"{field}: there is no client {name}"
                elif not isinstance(step, LogOn) and name not in logged_on:
                    yield f"{field}: {name} has not logged on"
        elif field == "domain" and value not in scenario.domains:
            yield f"domain: there is no domain {value}"
        elif field == "group" and value not in scenario.groups:
            yield f"group: there is no group {value}"
    if isinstance(step, RestartBmsc) and (plan := scenario.domains.get(step.domain)) and plan.bearer is None:
        yield f"domain: {step.domain} has no bearer"
    if (
        isinstance(step, RegroupStep | TearDownStep)
        and (group := scenario.groups.get(step.group))
        and not group.of
    ):
        yield f"group: {step.group} is made of no others (of)"
    if isinstance(step, TalkStep):
        for field in ("on_bearer", "by_unicast"):
            for name in getattr(step, field):
                if name not in step.heard_by:
                    yield f"{field}: {name} is not in heard_by"
        for name in sorted({*step.heard_by} & {*step.not_heard_by}):
            yield f"not_heard_by: {name} is in heard_by too"
