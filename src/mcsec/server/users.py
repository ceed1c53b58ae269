"""Who is authorised, under which identities, in which groups: what the server knows of its users, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mcsec.errors import Refused


@dataclass(frozen=True, slots=True)
class User:
    """One user with one client. ``expires`` is Unix seconds."""

    mc_service_id: str
    impu: str
    client_id: str
    expires: float
    groups: frozenset[str] = frozenset()


class Users:
    """All users, by MC service ID and by public user identity (IMPU), and the members of each group."""

    def __init__(self) -> None:
        self._by_id: dict[str, User] = {}
        self._by_impu: dict[str, str] = {}
        self._groups: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, mc_service_id: str) -> User | None:
        """A user by its MC service ID."""
        return self._by_id.get(mc_service_id)

    def of_impu(self, impu: str) -> User | None:
        """The user whose client uses ``impu``."""
        name = self._by_impu.get(impu)
        return None if name is None else self._by_id[name]

    def known(self, impu: str) -> User:
        """The user whose client uses ``impu``.

        :raises Refused: there is none.
        """
        user = self.of_impu(impu)
        if user is None:
            raise Refused(
                f"{impu} is not authorised for the service",
                code="server.unknown-user",
                clause="TS 24.379 7.3",
            )
        return user

    def check(self, mc_service_id: str, impu: str) -> None:
        """Whether the two may be bound: an IMPU belongs to one user at a time.

        :raises Refused: ``impu`` is bound to another user.
        """
        other = self.of_impu(impu)
        if other is not None and other.mc_service_id != mc_service_id:
            raise Refused(
                f"{impu} is bound to another MC service ID",
                code="server.impu-taken",
                clause="TS 24.379 7.3.2",
                hint="the other user logs off first",
            )

    def put(self, user: User) -> None:
        """A user, new or changed; :meth:`check` comes first."""
        before = self._by_id.get(user.mc_service_id)
        if before is not None and before.impu != user.impu:
            self._by_impu.pop(before.impu, None)
        self._by_id[user.mc_service_id] = user
        self._by_impu[user.impu] = user.mc_service_id
        for group in user.groups:
            self._groups.setdefault(group, set()).add(user.mc_service_id)
        for group in before.groups - user.groups if before is not None else ():
            self._leave(group, user.mc_service_id)

    def drop(self, mc_service_id: str) -> User | None:
        """Forget a user."""
        user = self._by_id.pop(mc_service_id, None)
        if user is not None:
            self._by_impu.pop(user.impu, None)
            for group in user.groups:
                self._leave(group, mc_service_id)
        return user

    def affiliate(self, mc_service_id: str, groups: Iterable[str]) -> User:
        """Another set of groups for a user that is known."""
        user = replace(self._by_id[mc_service_id], groups=frozenset(groups))
        self.put(user)
        return user

    def members(self, groups: Iterable[str]) -> set[str]:
        """Everybody affiliated to one of ``groups``."""
        return set().union(*(self._groups.get(group, ()) for group in groups))

    def everybody(self) -> set[str]:
        """Every user."""
        return set(self._by_id)

    def expired(self, now: float) -> list[User]:
        """Whose authorisation is over."""
        return [user for user in self._by_id.values() if user.expires <= now]

    def _leave(self, group: str, mc_service_id: str) -> None:
        members = self._groups.get(group, set())
        members.discard(mc_service_id)
        if not members:
            self._groups.pop(group, None)
