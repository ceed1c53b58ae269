"""Tables of an MCX server: what a domain must not lose. Names as in TS 33.180 and 24.379; times are Unix seconds."""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, String, Table, Text

from mcsec.store.tables import LARGE, metadata

#: A time that does not come: deliveries to clients that are not there wait for it.
NEVER = 4e12
#: What stands in ``path`` of a user whose registration came by no proxy.
NO_PATH = "[]"


class DeliveryState(IntEnum):
    """Where a delivery is.

    Those below ``HELD`` are open. ``ACCEPTED`` and ``DECLINED``: the client answered another server than the one on
    duty, which has not noted it yet.
    """

    WANTED = 0
    SENT = 1
    HELD = 2
    REFUSED = 3
    FAILED = 4
    ACCEPTED = 5
    DECLINED = 6


#: Who is authorised, and where: one client for each MC service ID.
users = Table(
    "mc_user",
    metadata,
    Column("mc_service_id", Text, primary_key=True),
    Column("impu", Text, nullable=False, unique=True),
    Column("client_id", Text, nullable=False),
    Column("expires", Float, nullable=False),
    Column("contact", Text, nullable=False),
    Column("path", Text, nullable=False),
)

csks = Table(
    "mc_csk",
    metadata,
    Column("mc_service_id", Text, primary_key=True),
    Column("key_id", BigInteger, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("rand", LargeBinary, nullable=False),
    Column("maker_domain", Text, nullable=False),
    Column("maker_entity", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("activation", Float, nullable=False),
    Column("expiry", Float),
)

#: MuSiKs and MSCCKs that are not destroyed, and where each is in its life.
keys = Table(
    "mc_key",
    metadata,
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("place", LARGE, nullable=False),
    Column("scope", Text, nullable=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("rand", LargeBinary, nullable=False),
    Column("maker_domain", Text, nullable=False),
    Column("maker_entity", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("activation", Float, nullable=False),
    Column("expiry", Float),
    Column("state", String(16), nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float),
    Column("blocking", Boolean, nullable=False),
)

affiliations = Table(
    "mc_affiliation",
    metadata,
    Column("group_id", Text, primary_key=True),
    Column("mc_service_id", Text, primary_key=True),
    Index("ix_mc_affiliation_user", "mc_service_id"),
)

#: Who said that it listens: to a bearer's general purpose subchannel (no group), or to a group's call on it.
listeners = Table(
    "mc_listener",
    metadata,
    Column("mc_service_id", Text, primary_key=True),
    Column("tmgi", Text, primary_key=True),
    Column("group_id", Text, primary_key=True),
)

#: Users of ours whom the home domain of a group took off it; they do not join until it invites them again.
barred = Table(
    "mc_barred",
    metadata,
    Column("mc_service_id", Text, primary_key=True),
    Column("group_id", Text, primary_key=True),
)

#: Bearers that are announced; ``description`` is JSON.
bearers = Table(
    "mc_bearer",
    metadata,
    Column("tmgi", Text, primary_key=True),
    Column("description", Text, nullable=False),
)

#: Who is to hold which key, and does: one row for each client and key. A row may be claimed when ``due``. ``node``: who
#: claimed it last.
deliveries = Table(
    "mc_delivery",
    metadata,
    Column("id", LARGE, primary_key=True),
    Column("mc_service_id", Text, nullable=False),
    Column("key_id", BigInteger, nullable=False),
    Column("state", Integer, nullable=False),
    Column("urgency", Integer, nullable=False),
    Column("due", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("node", String(32), nullable=False, server_default=""),
    Index("ux_mc_delivery", "key_id", "mc_service_id", unique=True),
    Index("ix_mc_delivery_user", "mc_service_id"),
)
Index(
    "ix_mc_delivery_open",
    deliveries.c.urgency,
    deliveries.c.due,
    sqlite_where=deliveries.c.state < DeliveryState.HELD,
    postgresql_where=deliveries.c.state < DeliveryState.HELD,
)
Index(
    "ix_mc_delivery_answered",
    deliveries.c.id,
    sqlite_where=deliveries.c.state > DeliveryState.FAILED,
    postgresql_where=deliveries.c.state > DeliveryState.FAILED,
)

provenance = Table(
    "mc_provenance",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("line", Text, nullable=False),
)

#: The last SRTCP index that was ever reserved for a key and an SSRC (design 5.4).
marks = Table(
    "mc_srtcp_mark",
    metadata,
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("ssrc", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
)

#: SPKs: shared with the servers of other domains (TS 33.180 5.5).
spks = Table(
    "mc_spk",
    metadata,
    Column("peer", Text, primary_key=True),
    Column("key_id", BigInteger, primary_key=True, autoincrement=False),
    Column("wrapped", LargeBinary, nullable=False),
    Column("rand", LargeBinary, nullable=False),
    Column("maker_domain", Text, nullable=False),
    Column("maker_entity", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("activation", Float, nullable=False),
    Column("expiry", Float),
)

#: Calls in progress; ``tmgi`` is empty where a call is on no bearer, ``description`` is its owner's.
calls = Table(
    "mc_call",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("group_id", Text, nullable=False),
    Column("tmgi", Text, nullable=False),
    Column("since", Float, nullable=False),
    Column("description", Text, nullable=False),
)

#: What one process at a time does: ``term`` counts its holders.
leases = Table(
    "mc_lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("until", Float, nullable=False),
)

#: Servers that share the store: what each does until ``until``, by the database's clock; ``ahead`` is by how many
#: seconds its own clock is ahead of that. ``delivered``: keys that clients took from it since it started.
nodes = Table(
    "mc_node",
    metadata,
    Column("node", Text, primary_key=True),
    Column("place", Text, nullable=False),
    Column("task", String(16), nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
    Column("ahead", Float, nullable=False),
    Column("delivered", BigInteger, nullable=False),
)
