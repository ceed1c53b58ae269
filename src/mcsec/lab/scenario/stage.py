"""What the steps of a scenario share: domains, people, what was heard, and how long things took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from mcsec.keys.events import Event
from mcsec.keys.key import Key
from mcsec.lab.claims import DemoReport
from mcsec.lab.scenario.air import Tap
from mcsec.lab.scenario.format import Scenario
from mcsec.lab.scenario.people import Person, uri_of
from mcsec.lab.scenario.site import Site
from mcsec.lab.stage import Say
from mcsec.wire.groups import GroupDocument


@dataclass(slots=True)
class Stage:
    """Everything that the steps share.

    ``beside``: where audio files are. :ivar taps: who records the air, by domain. :ivar latencies: seconds, by what
    they are the time of. :ivar talks: how many bursts there were. :ivar seen: keys that clients had and gave up.
    """

    scenario: Scenario
    sites: dict[str, Site]
    beside: Path
    report: DemoReport
    say: Say
    people: dict[str, Person] = field(default_factory=dict)
    documents: dict[str, GroupDocument] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    taps: dict[str, Tap] = field(default_factory=dict)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    talks: int = 0
    seen: set[Key] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)

    def group_id(self, name: str) -> str:
        """The group ID of a group of the scenario."""
        return f"sip:{name}@{self.scenario.groups[name].home}"

    def site_of(self, client: str) -> Site:
        """The domain of a client."""
        return self.sites[self.scenario.domain_of(client)]

    def members(self, group: str) -> list[Person]:
        """Who of a group has logged on, and was not removed."""
        wanted = self.scenario.members(group)
        return [self.people[name] for name in wanted if name in self.people and name not in self.removed]

    def uris(self, group: str) -> list[str]:
        """The MC service IDs of everybody who is planned to be in a group."""
        return [uri_of(member, self.scenario.domain_of(member)) for member in self.scenario.members(group)]

    def directory(self, domain: str) -> Iterable[dict[str, object]]:
        """The groups as the operator of a domain's server writes them down.

        A temporary one at home there, its server hears of from its GMS; of others, operators tell one another.
        """
        for name, group in self.scenario.groups.items():
            if group.of and group.home == domain:
                continue
            yield {
                "id": self.group_id(name),
                "home": "" if group.home == domain else group.home,
                "kind": group.session,
                "musik": "default" if group.release_13 or group.of else "own",
                "release_13": group.release_13,
                "members": self.uris(name),
            }

    def took(self, what: str, seconds: float) -> None:
        """One more measurement."""
        self.latencies.setdefault(what, []).append(seconds)

    def note(self, event: Event) -> None:
        """What servers tell; it is kept where it happened."""

    def latency_rows(self) -> list[tuple[str, int, str, str]]:
        """``(what, how many, median, worst)``, milliseconds."""
        return [
            (what, len(times), f"{1e3 * median(times):.1f}", f"{1e3 * max(times):.1f}")
            for what, times in self.latencies.items()
        ]
