"""Where every key came from and what became of it: records chained by hashes (design 5.7).

Each record holds the hash of the one before it, so nothing can be altered, left out or put in another order
without the rest ceasing to fit. The one thing a chain cannot show by itself is that its end was cut off: keep
its :class:`Head` somewhere else, and pass it to :func:`verify`. :mod:`mcsec.keys.audit` answers questions
from the records.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mcsec.errors import InvalidValue
from mcsec.keys import chain, events
from mcsec.keys.chain import ChainBroken, Fault, Head
from mcsec.keys.events import KeyEvent
from mcsec.keys.key import Key
from mcsec.keys.records import Happening, Record, decode, encode

__all__ = ["Chain", "ChainBroken", "Fault", "Happening", "Head", "Record", "decode", "encode", "verify"]

_HAPPENINGS: dict[type[KeyEvent], Happening] = {
    events.KeyMade: Happening.MADE,
    events.KeyReceived: Happening.RECEIVED,
    events.KeyOffered: Happening.OFFERED,
    events.KeyHeld: Happening.HELD,
    events.KeyDeliveryRefused: Happening.DELIVERY_REFUSED,
    events.KeyInstalled: Happening.INSTALLED,
    events.KeyUpdated: Happening.UPDATED,
    events.KeyFirstUsed: Happening.FIRST_USED,
    events.KeySwitched: Happening.SWITCHED,
    events.KeyRetired: Happening.RETIRED,
    events.KeyRevoked: Happening.REVOKED,
    events.KeyDestroyed: Happening.DESTROYED,
}


class Chain:
    """Appends to a domain's chain. The caller writes each record down in the transaction of what it tells of.

    To go on after a restart, pass the head of what was written; several nodes of a domain take turns through
    the store.
    """

    def __init__(self, domain: str, head: Head | None = None) -> None:
        self.domain = domain
        self.head = head if head is not None else Head.start(domain)

    def append(
        self,
        happening: Happening,
        key: Key,
        *,
        now: float,
        signer: str = "",
        subject: str = "",
        traffic: str = "",
        reason: str = "",
        members: Sequence[str] = (),
    ) -> Record:
        """Note what happened to ``key``, of which only public facts are taken; ``members``: to all of them.

        :raises InvalidValue: a text is none.
        """
        if not all(isinstance(text, str) for text in (signer, subject, traffic, reason, *members)):
            raise InvalidValue("a record holds texts only")
        open_record = Record(
            sequence=self.head.length,
            time=round(now * 1_000_000),
            happening=happening,
            key_id=key.key_id,
            scope=tuple(sorted(key.scope.names)),
            maker=key.maker,
            domain=self.domain,
            signer=signer,
            subject=subject,
            traffic=traffic,
            reason=reason,
            previous=self.head.digest,
            members=tuple(members),
        )
        record = replace(open_record, digest=open_record.seal())
        self.head = Head(record.sequence + 1, record.digest)
        return record

    def note_held(self, held: Sequence[events.KeyHeld], key: Key, *, signer: str = "") -> Record:
        """Note that members hold ``key``: one record for all who answered together."""
        if any(event.key_id != key.key_id for event in held):
            raise InvalidValue(f"an event is not about {key!r}")
        if len(held) == 1:
            return self.append(Happening.HELD, key, now=held[0].now, signer=signer, subject=held[0].member)
        members = [event.member for event in held]
        return self.append(Happening.HELD, key, now=held[-1].now, signer=signer, members=members)

    def note(self, event: KeyEvent, key: Key, *, signer: str = "") -> Record | None:
        """Note an event of :mod:`mcsec.keys.events`; None where the chain does not keep its kind."""
        happening = _HAPPENINGS.get(type(event))
        if happening is None:
            return None
        if event.key_id != key.key_id:
            raise InvalidValue(f"the event is about {event.key_id}, not about {key!r}")
        if isinstance(event, events.KeyHeld):
            return self.note_held([event], key, signer=signer)
        told = event.describe()
        return self.append(
            happening,
            key,
            now=event.now,
            signer=signer or str(told.get("signer", "")),
            subject=str(told.get("subject", told.get("member", ""))),
            traffic=str(told.get("traffic", "")),
            reason=str(told.get("reason", "")),
        )


def verify(
    records: Iterable[Record], domain: str, *, start: Head | None = None, known: Head | None = None
) -> Head:
    """Check a chain from its beginning, or from ``start``; its head. See :func:`mcsec.keys.chain.verify`.

    :raises ChainBroken: with the first record where it shows.
    """
    return chain.verify(
        records, domain, start=start if start is not None else Head.start(domain), known=known
    )
