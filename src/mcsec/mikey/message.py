"""A whole I_MESSAGE: the chain of payloads from header to signature (TS 33.180 E.1.2).

The codec follows next-payload values in any order, knows which payloads must be there and which may stand
once only, and keeps the order: a decoded message encodes to the same octets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

from mcsec.errors import InvalidValue
from mcsec.mikey.cursor import Cursor, Read, malformed
from mcsec.mikey.extensions import Extension, ProtectedParameters, SakkeToSelf, decode_extension
from mcsec.mikey.header import Header
from mcsec.mikey.numbers import PayloadType
from mcsec.mikey.payloads import Idr, Rand, Sakke, SecurityPolicy, Sign, Timestamp

#: No message of TS 33.180 comes near this; it bounds what a sender can make us read.
MAX_OCTETS = 8192

Payload = Timestamp | Rand | Idr | SecurityPolicy | Sakke | Extension

P = TypeVar("P", bound=Payload)

_DECODERS: dict[int, Callable[[Cursor], Payload]] = {
    PayloadType.T: Timestamp.decode,
    PayloadType.RAND: Rand.decode,
    PayloadType.IDR: Idr.decode,
    PayloadType.SP: SecurityPolicy.decode,
    PayloadType.SAKKE: Sakke.decode,
    PayloadType.GENERAL_EXTENSION: decode_extension,
}
_SCOPES = {number: PayloadType(number).name for number in _DECODERS} | {
    PayloadType.GENERAL_EXTENSION: "general extension"
}

_MANDATORY = frozenset({"T", "RAND", "IDRi", "IDRr", "IDRkmsi", "IDRkmsr", "SAKKE"})


@dataclass(frozen=True, slots=True)
class IMessage:
    """A MIKEY-SAKKE I_MESSAGE. ``payloads`` are those between header and signature, in wire order.

    :raises InvalidValue: a mandatory payload is missing or a payload stands twice.
    """

    header: Header
    payloads: tuple[Payload, ...]
    sign: Sign
    _slots: Mapping[str, Payload] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        slots = {payload.slot: payload for payload in self.payloads}
        if len(slots) != len(self.payloads):
            raise InvalidValue("a payload stands twice")
        missing = _MANDATORY.difference(slots)
        if missing:
            raise InvalidValue(f"no {', '.join(sorted(missing))} payload")
        object.__setattr__(self, "_slots", slots)

    @classmethod
    def decode(cls, octets: bytes, trace: list[Read] | None = None) -> Self:
        """The message in ``octets``; ``trace`` collects every field as it is read.

        :raises DecodeError: anything that is not exactly one I_MESSAGE.
        """
        if len(octets) > MAX_OCTETS:
            raise malformed(f"more than {MAX_OCTETS} octets", MAX_OCTETS)
        cursor = Cursor(octets, trace)
        start = 0
        try:
            number, header = Header.decode(cursor)
            payloads: dict[str, Payload] = {}
            while number != PayloadType.SIGN:
                start = cursor.offset
                number, payload = _decode_payload(cursor, number)
                if payload.slot in payloads:
                    raise cursor.fail(f"{payload.slot} stands twice", start)
                payloads[payload.slot] = payload
            start = cursor.offset
            sign = Sign.decode(cursor)
            cursor.finish()
            return cls(header, tuple(payloads.values()), sign)
        except InvalidValue as error:
            raise malformed(str(error), start) from None

    def encode(self) -> bytes:
        """The message on the wire."""
        parts = [(payload.type, payload.encode()) for payload in self.payloads]
        return encode_chain(self.header, parts) + self.sign.encode()

    @property
    def timestamp(self) -> Timestamp:
        """T."""
        return self._mandatory(Timestamp.slot, Timestamp)

    @property
    def rand(self) -> bytes:
        """RAND."""
        return self._mandatory(Rand.slot, Rand).octets

    @property
    def sakke(self) -> Sakke:
        """The key for the responder."""
        return self._mandatory(Sakke.slot, Sakke)

    @property
    def policy(self) -> SecurityPolicy | None:
        """SP, where present."""
        return self._optional(SecurityPolicy.slot, SecurityPolicy)

    @property
    def to_self(self) -> SakkeToSelf | None:
        """The key for the initiator, where present."""
        return self._optional(SakkeToSelf.slot, SakkeToSelf)

    @property
    def parameters(self) -> ProtectedParameters | None:
        """The protected key parameters, where present."""
        return self._optional(ProtectedParameters.slot, ProtectedParameters)

    @property
    def initiator(self) -> Idr:
        """IDRi, or IDRuidi in its place."""
        return self._mandatory("IDRi", Idr)

    @property
    def responder(self) -> Idr:
        """IDRr, or IDRuidr in its place."""
        return self._mandatory("IDRr", Idr)

    @property
    def initiator_kms(self) -> str:
        """URI of the initiator's KMS."""
        return self._mandatory("IDRkmsi", Idr).data.decode()

    @property
    def responder_kms(self) -> str:
        """URI of the responder's KMS."""
        return self._mandatory("IDRkmsr", Idr).data.decode()

    def _mandatory(self, slot: str, kind: type[P]) -> P:
        payload = self._slots[slot]
        assert isinstance(payload, kind)
        return payload

    def _optional(self, slot: str, kind: type[P]) -> P | None:
        payload = self._slots.get(slot)
        return payload if isinstance(payload, kind) else None


def encode_chain(header: Header, parts: Sequence[tuple[PayloadType, bytes]]) -> bytes:
    """Header and encoded payloads, each behind the type of its successor; after the last one comes SIGN."""
    return b"".join(chain_pieces(header, parts))


def chain_pieces(header: Header, parts: Sequence[tuple[PayloadType, bytes]]) -> list[bytes]:
    """What :func:`encode_chain` joins; the body of part *n* is piece 2 *n* + 2, so that another can take its place."""
    successors = [number for number, _ in parts]
    successors.append(PayloadType.SIGN)
    pieces = [header.encode(successors[0])]
    for successor, (_, body) in zip(successors[1:], parts, strict=True):
        pieces += (bytes((successor,)), body)
    return pieces


def _decode_payload(cursor: Cursor, number: int) -> tuple[int, Payload]:
    decoder = _DECODERS.get(number)
    if decoder is None:
        if number == PayloadType.LAST:
            raise cursor.fail("the message ends without a signature")
        raise cursor.fail(f"payload type {number} does not belong in an I_MESSAGE")
    cursor.scope = _SCOPES[number]
    successor = cursor.uint(1, "next payload")
    return successor, decoder(cursor)
