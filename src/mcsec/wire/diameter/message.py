"""Whole messages: header and typed body together."""

from __future__ import annotations

from typing import Any, TypeVar

from mcsec.errors import DecodeError
from mcsec.wire.diameter.avp import decode_avp
from mcsec.wire.diameter.base import ErrorAnswer, ProxyInfo
from mcsec.wire.diameter.header import (
    ERROR,
    HEADER_SIZE,
    PROXIABLE,
    REQUEST,
    RETRANSMITTED,
    Header,
)
from mcsec.wire.diameter.table import DICTIONARY, IETF
from mcsec.wire.diameter.typed import schema_of

T = TypeVar("T")
_SESSION_ID, _PROXY_INFO = (DICTIONARY.by_name[name].code for name in ("Session-Id", "Proxy-Info"))


def encode_request(message: Any, hop_by_hop: int, end_to_end: int) -> bytes:
    """A request of a class made by ``command``.

    :raises InvalidValue: a value does not fit its AVP.
    """
    schema = schema_of(type(message))
    row = schema.command
    assert row is not None
    flags = REQUEST | (PROXIABLE if row.proxiable else 0)
    return Header(row.code, row.application, flags, hop_by_hop, end_to_end).encode(schema.encode(message))


def encode_answer(message: Any, request: Header) -> bytes:
    """The answer to ``request``: its command, application, identifiers and P bit (RFC 6733 6.2).

    An :class:`ErrorAnswer` goes out with the E bit.
    """
    flags = request.flags & PROXIABLE | (ERROR if isinstance(message, ErrorAnswer) else 0)
    header = Header(request.command, request.application, flags, request.hop_by_hop, request.end_to_end)
    return header.encode(schema_of(type(message)).encode(message))


def decode_body(octets: bytes, cls: type[T]) -> T:
    """The AVPs of a whole message as ``cls``. The header is not looked at.

    :raises Violation: with offset, Result-Code and Failed-AVP.
    """
    body: T = schema_of(cls).decode(octets, HEADER_SIZE, len(octets))
    return body


def decode(octets: bytes, cls: type[T]) -> tuple[Header, T]:
    """A whole message.

    :raises Violation: with offset, Result-Code and Failed-AVP.
    """
    return Header.decode(octets), decode_body(octets, cls)


def retransmission(octets: bytes, hop_by_hop: int) -> bytes:
    """An encoded request once more, to another peer: T bit, another hop-by-hop identifier."""
    flags = octets[4] | RETRANSMITTED
    return octets[:4] + bytes((flags,)) + octets[5:12] + hop_by_hop.to_bytes(4) + octets[16:]


def peek_envelope(octets: bytes) -> tuple[str | None, tuple[ProxyInfo, ...]]:
    """Session-Id and Proxy-Info of a message that need not be sound otherwise, for the answer that says so."""
    session_id: str | None = None
    proxies: list[ProxyInfo] = []
    offset = HEADER_SIZE
    try:
        while offset < len(octets):
            avp, offset = decode_avp(octets, offset)
            if (avp.code, avp.vendor) == (_SESSION_ID, IETF):
                session_id = avp.data.decode()
            elif (avp.code, avp.vendor) == (_PROXY_INFO, IETF):
                proxies.append(schema_of(ProxyInfo).decode(avp.data, 0, len(avp.data)))
    except (DecodeError, UnicodeDecodeError):
        pass  # What could be read up to here is what the answer gets.
    return session_id, tuple(proxies)
