"""Which protection keys a request and its answer go under: a table over what the KMS knows of the client.

==================  =======================  ==================================================================
the client has      the request is           then
==================  =======================  ==================================================================
no pair             unsigned init            a first pair is offered under a key agreed in the exchange
an offered pair     unsigned init            offered anew: the answer with the last one was lost
an offered pair     signed with it           the pair is confirmed; the client's older pairs retire
a confirmed pair    signed with it           answered under it; with a newer one in the answer when it is time
a confirmed pair    unsigned                 refused
==================  =======================  ==================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcsec.errors import UnknownKey
from mcsec.kms.refusals import KmsRefusal
from mcsec.store.kms import PairRow, PairState
from mcsec.wire.kms.protect import ProtectionKeys


@dataclass(frozen=True, slots=True)
class PairRules:
    """``enrolled_only``: first pairs come from the operator. ``lifetime``: seconds until a pair is replaced."""

    enrolled_only: bool
    clients_per_user: int
    lifetime: int


@dataclass(frozen=True, slots=True)
class PairDecision:
    """What a request's protection leads to.

    ``keys`` protect the answer; None: the pair that ``make_first`` orders does. ``offer`` is an unconfirmed pair
    to be handed out again, ``make_next`` orders a new one. The numbers are of pairs that change state.
    """

    client_id: str
    keys: PairRow | None
    confirm: tuple[int, ...] = ()
    retire: tuple[int, ...] = ()
    offer: PairRow | None = None
    make_next: bool = False
    make_first: bool = False

    @property
    def writes(self) -> bool:
        """Whether the database must change before the answer."""
        return bool(self.confirm or self.retire or self.make_next or self.make_first)


def keys_of(row: PairRow) -> ProtectionKeys:
    """A stored pair as the interface uses it."""
    return ProtectionKeys(row.user_uri, row.number, row.transport, row.integrity)


def of_number(pairs: Sequence[PairRow], number: int) -> PairRow:
    """The pair that a request names.

    :raises UnknownKey: retired, or never made.
    """
    for row in pairs:
        if row.number == number:
            return row
    raise UnknownKey("an integrity key that is retired or was never made", code="kms.protection-key")


def signed(used: PairRow, pairs: Sequence[PairRow], rules: PairRules, now: float) -> PairDecision:
    """A request that was signed with ``used``."""
    same = [row for row in pairs if row.client_id == used.client_id and row.number != used.number]
    if used.state is PairState.OFFERED:
        older = tuple(row.number for row in same if row.number < used.number)
        return PairDecision(used.client_id, used, confirm=(used.number,), retire=older)
    newer = [row for row in same if row.number > used.number and row.state is PairState.OFFERED]
    if newer:
        return PairDecision(used.client_id, used, offer=newer[-1])
    return PairDecision(used.client_id, used, make_next=now - used.made >= rules.lifetime)


def unsigned_init(
    client_id: str, bootstrap: bool, pairs: Sequence[PairRow], rules: PairRules
) -> PairDecision:
    """An Initialize without a signature: good for a client's first pair only.

    :raises KmsRefusal: the client has a pair, or first pairs are the operator's.
    """
    hint = "let the operator enrol the client: mcsec kms enrol URI"
    if not bootstrap or rules.enrolled_only:
        raise KmsRefusal(403, "an unsigned request", code="kms.unsigned", clause="TS 33.180 D.1", hint=hint)
    same = [row for row in pairs if row.client_id == client_id]
    if any(row.state is PairState.CONFIRMED for row in same):
        raise KmsRefusal(
            403,
            "an unsigned request of a client that has protection keys",
            code="kms.bootstrapped",
            clause="TS 33.180 D.1",
            hint="when the client lost its keys: mcsec kms forget URI",
        )
    if not same and len({row.client_id for row in pairs}) >= rules.clients_per_user:
        raise KmsRefusal(403, "too many clients of one user", code="kms.clients")
    # The client of an offered pair may be another one that claims the ID: a new pair, not the old one again.
    return PairDecision(client_id, None, retire=tuple(row.number for row in same), make_first=True)
