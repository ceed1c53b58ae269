"""SPKs written down: what this server shares with the servers of other domains (TS 33.180 5.5)."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from mcsec.ids import KeyId
from mcsec.keys.key import Key, Maker, Scope
from mcsec.store.server_tables import spks
from mcsec.store.wrapping import Place, Wrapper


def put_spk(connection: Connection, wrapper: Wrapper, peer: str, key: Key) -> None:
    """An SPK shared with ``peer``, the MDSI of the other server; several may count while one follows another."""
    values = {
        "wrapped": wrapper.wrap(key.secret, _place(peer, key.key_id)),
        "rand": key.rand,
        "maker_domain": key.maker.domain,
        "maker_entity": key.maker.entity,
        "created": key.created,
        "activation": key.activation,
        "expiry": key.expiry,
    }
    statement = upsert(spks).values(values | {"peer": peer, "key_id": key.key_id.value})
    connection.execute(statement.on_conflict_do_update(index_elements=["peer", "key_id"], set_=values))


def drop_spk(connection: Connection, peer: str, key_id: KeyId) -> None:
    """An SPK that is destroyed."""
    connection.execute(delete(spks).where(spks.c.peer == peer, spks.c.key_id == key_id.value))


def load_spks(connection: Connection, wrapper: Wrapper) -> dict[str, list[Key]]:
    """Every SPK by peer, the oldest first; the scope of each is its peer.

    :raises WrapError: one was changed or moved.
    """
    found: dict[str, list[Key]] = {}
    for row in connection.execute(select(spks).order_by(spks.c.created)):
        key_id = KeyId(row.key_id)
        secret = wrapper.unwrap(row.wrapped, _place(row.peer, key_id))
        maker = Maker(row.maker_domain, row.maker_entity)
        key = Key(
            key_id, secret, row.rand, Scope.of(row.peer), maker, row.created, row.activation, row.expiry
        )
        found.setdefault(row.peer, []).append(key)
    return found


def _place(peer: str, key_id: KeyId) -> Place:
    return Place("mc_spk", f"{peer} {key_id}", key_id.tag.label)
