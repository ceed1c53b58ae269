"""Everything that mcsec raises, in one tree.

::

    McsecError
    ├── LocalError              we were asked to do something wrong
    │   ├── InvalidValue        an argument is no valid value of its type
    │   ├── Forbidden           policy refuses: nothing is sent
    │   ├── WrongState          the step is not in the state table
    │   ├── IndexExhausted      no packet index is left under a key
    │   └── RandomnessUnavailable
    └── PeerError               they sent something wrong
        ├── DecodeError         the octets are no message; carries the offset
        ├── CheckFailed         a signature, tag, R check or key validation failed
        ├── Replayed            seen before, or too old to tell
        ├── UnknownKey          no key under the identifier that the message carries
        └── Refused             a well-formed message that must not be acted on

Each error has a ``code`` that stays the same between releases, the ``clause`` it rests on, and a ``hint`` for the
operator. No error text ever holds key octets.
"""

from __future__ import annotations


class McsecError(Exception):
    """The root of the tree; not raised itself.

    ``code``, ``clause`` and ``hint`` have a default for each class; a raise site that knows better passes its own.
    """

    code: str = "error"
    clause: str = ""
    hint: str = ""

    def __init__(
        self, message: str, *, code: str | None = None, clause: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code
        if clause is not None:
            self.clause = clause
        if hint is not None:
            self.hint = hint

    def describe(self) -> str:
        """One line for an operator: code, what happened, clause and hint as far as known."""
        text = f"{self.code}: {self}"
        if self.clause:
            text += f" [{self.clause}]"
        if self.hint:
            text += f" — {self.hint}"
        return text


class LocalError(McsecError):
    """We were asked to do something wrong."""

    code = "local"


class InvalidValue(LocalError, ValueError):
    """An argument is no valid value of its type."""

    code = "local.invalid-value"


class Forbidden(LocalError):
    """Policy refuses to send or to use a key; nothing left this process."""

    code = "local.forbidden"


class WrongState(LocalError):
    """The step is not in the state table for the present state."""

    code = "local.wrong-state"


class IndexExhausted(LocalError):
    """A sender has no packet index left under its key."""

    code = "local.index-exhausted"
    clause = "RFC 3711 9.2"
    hint = "replace the key"


class RandomnessUnavailable(LocalError):
    """The operating system gave no randomness."""

    code = "local.randomness"


class PeerError(McsecError):
    """They sent something wrong."""

    code = "peer"


class DecodeError(PeerError):
    """The octets are not the message they should be.

    ``offset`` counts octets from the start of what was decoded to the place where it went wrong.
    """

    code = "peer.decode"

    def __init__(
        self,
        message: str,
        offset: int = 0,
        *,
        code: str | None = None,
        clause: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{message} (at octet {offset})", code=code, clause=clause, hint=hint)
        self.offset = offset


class CheckFailed(PeerError):
    """A cryptographic check failed."""

    code = "peer.check-failed"


class Replayed(PeerError):
    """The message or packet was seen before, or is too old to tell."""

    code = "peer.replayed"


class UnknownKey(PeerError):
    """No key is held under the identifier that the message carries."""

    code = "peer.unknown-key"


class Refused(PeerError):
    """The message is well formed and perhaps authentic, and must not be acted on."""

    code = "peer.refused"
