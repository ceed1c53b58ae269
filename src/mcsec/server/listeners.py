"""Who hears which group's call on which bearer: one group may have bearers in several areas."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

_NOBODY: frozenset[str] = frozenset()


class Listeners:
    """MC service IDs, by group and by TMGI as text."""

    def __init__(self) -> None:
        self._heard: dict[str, dict[str, set[str]]] = {}

    @property
    def groups(self) -> Collection[str]:
        """The groups that somebody listened to."""
        return self._heard.keys()

    def add(self, client: str, tmgi: str, group: str) -> None:
        """``client`` hears the call of ``group`` there."""
        self._heard.setdefault(group, {}).setdefault(tmgi, set()).add(client)

    def drop(self, clients: Iterable[str], group: str, tmgi: str | None = None) -> None:
        """They do not hear the call there any more; without a TMGI, nowhere."""
        bearers = self._heard.get(group, {})
        for one in list(bearers) if tmgi is None else [tmgi]:
            if one in bearers:
                bearers[one].difference_update(clients)
                if not bearers[one]:
                    del bearers[one]

    def on(self, tmgi: str, group: str) -> Collection[str]:
        """Who hears the call of ``group`` on one bearer. What is given is not a copy."""
        return self._heard.get(group, {}).get(tmgi, _NOBODY)

    def of(self, group: str) -> set[str]:
        """Who hears it at all."""
        return set().union(*self._heard.get(group, {}).values())

    def hears(self, client: str, group: str) -> bool:
        """Whether ``client`` hears it on any bearer."""
        return any(client in who for who in self._heard.get(group, {}).values())

    def everywhere(self) -> Mapping[str, set[str]]:
        """Who hears what at all, by group."""
        return {group: who for group in self._heard if (who := self.of(group))}
