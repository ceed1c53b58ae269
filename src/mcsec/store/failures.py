"""What can be wrong with a database: the error that says it, in words of what to do."""

from __future__ import annotations

from mcsec.errors import LocalError


class StoreError(LocalError):
    """The database cannot do what was asked: full, read-only, corrupt, locked, away, or not ours.

    :ivar passing: the same may succeed later, without anything being changed here.
    """

    code = "store.database"

    def __init__(
        self, message: str, *, passing: bool = False, code: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.passing = passing
