"""Deliveries for a server that is not on duty: claimed together with all that is needed to make them.

The one on duty has users and keys in memory. Any other server reads them with the rows, in the same transaction, so
what it sends is what was written down when it claimed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Key
from mcsec.keys.lifecycle import Epoch
from mcsec.store import deliveries
from mcsec.store.deliveries import Claimed
from mcsec.store.server_load import csk, epoch
from mcsec.store.server_tables import bearers, csks, keys, users
from mcsec.store.wrapping import Wrapper


@dataclass(frozen=True, slots=True)
class Addressee:
    """A user to whom something is to be delivered, as written down; ``csk`` is still wrapped, None: there is none."""

    mc_service_id: str
    impu: str
    contact: str
    path: tuple[str, ...]
    csk: Any

    def unwrap(self, wrapper: Wrapper) -> Key | None:
        """Its CSK.

        :raises WrapError: it was changed or moved.
        """
        return None if self.csk is None else csk(self.csk, wrapper)


@dataclass(slots=True)
class Errands:
    """Rows that were claimed; whom they are for, by MC service ID; the rows of their keys, still wrapped, by key ID;
    descriptions of the bearers that the keys are for, by TMGI.
    """

    rows: list[Claimed] = field(default_factory=list)
    users: dict[str, Addressee] = field(default_factory=dict)
    keys: dict[KeyId, Any] = field(default_factory=dict)
    bearers: dict[str, str] = field(default_factory=dict)

    def epoch(self, key_id: KeyId, wrapper: Wrapper) -> Epoch | None:
        """A key and where it is in its life; None: it is destroyed.

        :raises WrapError: it was changed or moved.
        """
        row = self.keys.get(key_id)
        return None if row is None else epoch(row, wrapper)


def take(
    connection: Connection,
    most: int,
    now: float,
    lease: float,
    urgency: int,
    *,
    routed: bool,
    node: str = "",
) -> Errands:
    """Claim as :func:`mcsec.store.deliveries.claim` does.

    What is for users whose clients are not there is parked at once; whoever logs on meanwhile waits for the rows, and
    finds them parked.
    """
    rows = deliveries.claim(connection, most, now, lease, urgency, routed=routed, node=node)
    if not rows:
        return Errands()
    found = _addressees(connection, sorted({row.mc_service_id for row in rows}))
    for stranger in sorted({row.mc_service_id for row in rows if row.mc_service_id not in found}):
        parked = deliveries.park(stranger)
        connection.execute(parked.statement, dict(parked.values))
    key_ids = sorted({row.key_id for row in rows})
    errands = Errands([row for row in rows if row.mc_service_id in found], found)
    of_keys = select(keys).where(keys.c.key_id.in_([key_id.value for key_id in key_ids]))
    errands.keys = {KeyId(row.key_id): row for row in connection.execute(of_keys)}
    tmgis = {
        name
        for key_id, row in errands.keys.items()
        if key_id.tag is PurposeTag.MSCCK
        for name in json.loads(row.scope)
    }
    if tmgis:
        announced = select(bearers).where(bearers.c.tmgi.in_(sorted(tmgis)))
        errands.bearers = {row.tmgi: row.description for row in connection.execute(announced)}
    return errands


def _addressees(connection: Connection, names: Sequence[str]) -> dict[str, Addressee]:
    found = {
        row.mc_service_id: row
        for row in connection.execute(select(csks).where(csks.c.mc_service_id.in_(names)))
    }
    return {
        row.mc_service_id: Addressee(
            row.mc_service_id,
            row.impu,
            row.contact,
            tuple(json.loads(row.path)),
            found.get(row.mc_service_id),
        )
        for row in connection.execute(select(users).where(users.c.mc_service_id.in_(names)))
    }
