"""Who may register here by digest authentication (RFC 3261 22): users, and the public user identities of each.

A line of the file is ``USERNAME ALGORITHM H(A1) IMPU...``; a user has a line for each algorithm. ``#`` starts a
comment. H(A1) is as good as the password, so the file is readable by its owner only.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from mcsec.crypto.secret import Secret
from mcsec.errors import LocalError, PeerError, Refused
from mcsec.net.sip.auth import DigestServer, Unauthorized
from mcsec.net.sip.digest import ALGORITHMS, digest, user_hash
from mcsec.net.sip.message import Request, Response
from mcsec.net.sip.uri import Uri


class SubscriberError(LocalError):
    """The file of users cannot be used; the text says where."""

    code = "config"


@dataclass(slots=True)
class Subscribers:
    """The users of one realm."""

    realm: str
    impus: dict[str, frozenset[str]] = field(default_factory=dict)
    hashes: dict[tuple[str, str], Secret] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, realm: str) -> Self:
        """The users in a file.

        :raises SubscriberError: it cannot be read, is open to others, or a line is broken.
        """
        try:
            mode, text = path.stat().st_mode, path.read_text()
        except (OSError, UnicodeDecodeError):
            raise SubscriberError(f"{path}: no file of digest users", hint="see docs/server.md") from None
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SubscriberError(f"{path} is open to others", hint=f"chmod 600 {path}")
        made = cls(realm)
        for number, line in enumerate(text.splitlines(), 1):
            words = line.partition("#")[0].split()
            if words:
                try:
                    made._add(*words)
                except (TypeError, ValueError, PeerError):
                    raise SubscriberError(
                        f"{path}, line {number}: no digest user", hint="USERNAME ALGORITHM H(A1) IMPU..."
                    ) from None
        return made

    @property
    def algorithms(self) -> tuple[str, ...]:
        """What is offered: the algorithms that the file has lines for, the preferred one first."""
        named = {algorithm for _, algorithm in self.hashes}
        return tuple(algorithm for algorithm in ALGORITHMS if algorithm in named) or ALGORITHMS

    def lookup(self, username: str, algorithm: str) -> Secret | None:
        """H(A1) of a user; None for nobody."""
        return self.hashes.get((username, algorithm))

    def _add(self, username: str, algorithm: str, h_a1: str, *impus: str) -> None:
        if algorithm not in ALGORITHMS or len(bytes.fromhex(h_a1)) * 2 != len(digest(algorithm, b"")):
            raise ValueError
        self.hashes[(username, algorithm)] = Secret(h_a1.lower().encode())
        named = frozenset(Uri.decode(impu).address_of_record() for impu in impus)
        self.impus[username] = self.impus.get(username, frozenset()) | named


def lines(username: str, password: Secret, realm: str, impus: Iterable[str]) -> list[str]:
    """What the file says of a user: a line for each algorithm, the password not in it."""
    named = " ".join(impus)
    return [
        f"{username} {algorithm} {user_hash(username, realm, password, algorithm).reveal().decode()} {named}"
        for algorithm in ALGORITHMS
    ]


class Credentials:
    """Asks for credentials and checks them."""

    def __init__(self, subscribers: Subscribers) -> None:
        self._subscribers = subscribers
        self._digest = DigestServer(subscribers.realm, subscribers.lookup, algorithms=subscribers.algorithms)

    def check(self, request: Request, impu: str, now: float) -> None:
        """Whether the credentials in ``request`` are those of somebody who owns ``impu``.

        :raises Unauthorized: none, wrong ones, or right ones for a nonce that is over.
        :raises Refused: they are somebody else's. :raises BadMessage: they are broken.
        """
        username = self._digest.verify(request, now)
        if impu not in self._subscribers.impus.get(username, ()):
            raise Refused(
                f"{impu} is not of the user with these credentials",
                code="server.sender",
                clause="RFC 3261 10.3; TS 24.229 5.4.1",
                hint="name the public user identity in the user's line of the digest file",
            )

    def challenge(self, request: Request, refused: Unauthorized, now: float) -> Response:
        """The 401 that asks for them."""
        return self._digest.challenge(request, now, stale=refused.stale)
