"""The pool of TMGIs: who holds which until when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mcsec.bmsc.config import BmscConfig
from mcsec.ids import Tmgi


@dataclass(frozen=True, slots=True)
class Holding:
    """A TMGI that is in use. ``released``: given back, and kept only until its bearers end."""

    tmgi: Tmgi
    host: str
    expiry: float | None
    released: bool = False


class TmgiPool:
    """TMGIs from a range of service IDs. A freed one comes again last, so that nobody confuses it."""

    def __init__(self, config: BmscConfig, holdings: Iterable[Holding] = ()) -> None:
        self._config = config
        self._held: dict[Tmgi, Holding] = {holding.tmgi: holding for holding in holdings}
        self._next = 0

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """All that are in use."""
        return tuple(self._held.values())

    def find(self, tmgi: Tmgi) -> Holding | None:
        """Who holds it."""
        return self._held.get(tmgi)

    def of(self, host: str) -> tuple[Holding, ...]:
        """What a GCS AS holds and has not given back."""
        return tuple(held for held in self._held.values() if held.host == host and not held.released)

    @property
    def free(self) -> int:
        """How many are left."""
        return self._config.tmgis - len(self._held)

    def expiry(self, now: float) -> float | None:
        """When a TMGI given now expires."""
        lifetime = self._config.tmgi_lifetime
        return None if lifetime is None else now + lifetime

    def allocate(self, host: str, now: float) -> Tmgi:
        """One that nobody holds; :attr:`free` says whether there is one."""
        config = self._config
        while True:
            tmgi = Tmgi(config.first_service_id + self._next, config.mcc, config.mnc)
            self._next = (self._next + 1) % config.tmgis
            if tmgi not in self._held:
                self._held[tmgi] = Holding(tmgi, host, self.expiry(now))
                return tmgi

    def refresh(self, tmgi: Tmgi, now: float) -> None:
        """It lives on for a whole lifetime."""
        self._held[tmgi] = replace(self._held[tmgi], expiry=self.expiry(now))

    def release(self, tmgi: Tmgi) -> None:
        """It was given back, and its bearers go on."""
        self._held[tmgi] = replace(self._held[tmgi], released=True)

    def free_up(self, tmgi: Tmgi) -> None:
        """Nobody holds it any more."""
        self._held.pop(tmgi, None)

    def expired(self, now: float) -> tuple[Holding, ...]:
        """Those whose time is over."""
        return tuple(held for held in self._held.values() if held.expiry is not None and held.expiry <= now)

    def next_expiry(self) -> float | None:
        """When the next one expires."""
        return min((held.expiry for held in self._held.values() if held.expiry is not None), default=None)
