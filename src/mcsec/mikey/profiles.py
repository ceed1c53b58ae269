"""Interoperability profiles: what a receiver tolerates beyond the specifications, each by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from mcsec.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Profile:
    """What is tolerated on receipt; nothing by default. Nothing here changes what we send.

    ``trimmed_g``: senders that hash g^r without its leading zero octets (RFC 6508 wants 128 octets). The R
    check still guards the second try.

    ``short_sign_range``: senders that leave the two octets in front of the signature out of what they sign.
    Those two octets are fixed, so nothing that matters goes unsigned.
    """

    trimmed_g: bool = False
    short_sign_range: bool = False

    @classmethod
    def named(cls, names: str) -> Self:
        """The profile of one or several names, separated by commas: ``strict``, or those of :data:`NAMES`.

        :raises InvalidValue: an unknown name.
        """
        chosen = {name.strip() for name in names.split(",")}
        unknown = chosen.difference(NAMES, {"strict"})
        if unknown:
            raise InvalidValue(
                f"no profile {', '.join(sorted(unknown))}", hint=f"known: strict, {', '.join(NAMES)}"
            )
        return cls(**{name.replace("-", "_"): True for name in chosen.difference({"strict"})})


#: The tolerances by name.
NAMES = ("trimmed-g", "short-sign-range")
STRICT = Profile()
