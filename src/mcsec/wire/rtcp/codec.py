"""Decode and encode every control message, driven by the tables of the three protocols."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mcsec.errors import Forbidden, InvalidValue, Refused
from mcsec.wire.rtcp.app import ACK_BIT, AppHeader, read_header
from mcsec.wire.rtcp.fields import RawField, read_field_header, read_padding, write_field
from mcsec.wire.rtcp.floor import FLOOR
from mcsec.wire.rtcp.preestablished import PREESTABLISHED
from mcsec.wire.rtcp.profile import STRICT, Profile
from mcsec.wire.rtcp.reader import Reader
from mcsec.wire.rtcp.subchannel import LEGACY_NAME, SUBCHANNEL
from mcsec.wire.rtcp.table import ControlProtocol, Message, Row

PROTOCOLS: Mapping[str, ControlProtocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (FLOOR, SUBCHANNEL, PREESTABLISHED)}
)
_ROWS: Mapping[type[Message], tuple[ControlProtocol, Row]] = MappingProxyType(
    {row.message: (protocol, row) for protocol in PROTOCOLS.values() for row in protocol.rows}
)


def decode(datagram: bytes, profile: Profile = STRICT) -> tuple[Message, ...]:
    """Every control message of a datagram, in order; at least one.

    The octets are in clear: what SRTCP added is gone.

    :raises DecodeError: the datagram is not made of whole, correct messages of a known protocol. Nothing of
        it is returned then.
    """
    reader = Reader(datagram, strict=profile.strict)
    messages = [read_message(reader, profile)]
    while reader.remaining:
        messages.append(read_message(reader, profile))
    return tuple(messages)


def encode(message: Message, profile: Profile = STRICT) -> bytes:
    """One control message as an APP packet, in clear. Join several to put them into one datagram.

    :raises InvalidValue: the release does not have the message or a field, or a value does not fit.
    """
    protocol, row = _row_of(message)
    if not row.spoken_in(profile.release):
        raise InvalidValue(
            f"release {profile.release.value} has no {row.name}", code="rtcp.release", clause=protocol.clause
        )
    if message.ack_requested and not row.ack:
        raise InvalidValue(
            f"{row.name} cannot ask for an acknowledgement", code="rtcp.ack", clause="TS 24.380 8.2.2"
        )
    parts = []
    for field in row.fields:
        value = getattr(message, field.attribute)
        values = () if value is None else value if field.many else (value,)
        if not values and field in row.required:
            raise InvalidValue(f"{row.name} needs {field.name}", code="rtcp.missing-field")
        if values and field.since > profile.release:
            raise InvalidValue(f"release {profile.release.value} has no {field.name}", code="rtcp.release")
        parts += [write_field(field.id, field.layout.write(each, profile)) for each in values]
    parts += [write_field(field.id, field.value) for field in message.others]
    body = b"".join(parts)
    subtype = row.subtype | (ACK_BIT if message.ack_requested else 0)
    return AppHeader(subtype, message.ssrc, protocol.name, len(body)).encode() + body


def row_of(message: Message) -> Row:
    """The table row of a message: its name, clause, direction, and what it may carry.

    :raises InvalidValue: it is none of the messages of this package.
    """
    return _row_of(message)[1]


def check_multicast(message: Message, *, received: bool = False) -> None:
    """A message on an MBMS bearer is meant for every listener, and asks for no acknowledgement.

    Nobody can acknowledge on a downlink, and what is meant for one participant goes to it by unicast under
    its CSK.

    :param received: the message came from a bearer, so a fault is the sender's.
    :raises Forbidden: it must not be sent on a bearer.
    :raises Refused: it must not be obeyed (only with ``received``).
    """
    row = row_of(message)
    error = Refused if received else Forbidden
    if not row.multicast:
        raise error(
            f"{row.name} is for one participant and does not belong on an MBMS bearer",
            code="rtcp.multicast.unicast-only",
            clause="TS 24.380 10.1",
        )
    if message.ack_requested:
        raise error(
            f"{row.name} asks for an acknowledgement on an MBMS bearer",
            code="rtcp.multicast.ack",
            clause="TS 24.380 8.2.2",
        )


def read_message(reader: Reader, profile: Profile) -> Message:
    """The message under the cursor. With a tracing reader, this is how messages are explained.

    :raises DecodeError: see :func:`decode`.
    """
    start = reader.position
    header = read_header(reader)
    protocol = _protocol(reader, header.name, start + 8, profile)
    row = protocol.row(header.message_type, profile.release)
    reader.clause = protocol.clause
    if row is None:
        reader.fail(
            f"{protocol.title} has no message type {header.message_type} in release {profile.release.value}",
            start,
            code="rtcp.message-type",
        )
    if header.ack_requested and not row.ack and profile.strict:
        reader.fail(f"{row.name} asks for an acknowledgement", start, code="rtcp.ack")
    asked = ", acknowledgement asked for" if header.ack_requested else ""
    reader.clause = f"TS 24.380 {row.clause}"
    reader.amend(start, f"version 2, {row.name}{asked}", reader.clause)
    reader.amend(start + 8, f"{header.name}, {protocol.title}", protocol.clause)
    body = reader.part(header.body_octets, "body", reader.clause)
    values, others = _read_fields(body, protocol, row, profile)
    for field in row.required:
        if field.attribute not in values:
            reader.fail(f"{row.name} without {field.name}", code="rtcp.missing-field")
    return row.message(
        ssrc=header.ssrc, ack_requested=header.ack_requested and row.ack, others=tuple(others), **values
    )


def _protocol(reader: Reader, name: str, at: int, profile: Profile) -> ControlProtocol:
    if name == LEGACY_NAME and profile.legacy_subchannel_name:
        return SUBCHANNEL
    if name not in PROTOCOLS:
        hint = "an early Release 13 name; see the legacy profile" if name == LEGACY_NAME else ""
        reader.fail(
            f"no protocol is called {name!r}",
            at,
            code="rtcp.unknown-name",
            hint=hint,
        )
    return PROTOCOLS[name]


def _read_fields(
    body: Reader, protocol: ControlProtocol, row: Row, profile: Profile
) -> tuple[dict[str, Any], list[RawField]]:
    values: dict[str, Any] = {}
    others: list[RawField] = []
    while body.remaining:
        header = read_field_header(body)
        field = row.field(protocol.canonical_id(header.id, header.length, profile), profile.release)
        clause = f"TS 24.380 {field.clause if field else '8.1.3'}"
        body.amend(header.offset, field.name if field else "not a field of this message", clause)
        value = body.part(header.length, field.name if field else f"field {header.id}", clause)
        if field is None:
            others.append(RawField(header.id, value.octets(header.length, "value")))
        else:
            decoded = field.layout.read(value, profile)
            value.finish(field.name)
            if field.many:
                values[field.attribute] = (*values.get(field.attribute, ()), decoded)
            elif field.attribute not in values:
                values[field.attribute] = decoded
            elif profile.strict:
                body.fail(f"{field.name} twice", header.offset, code="rtcp.duplicate-field")
        read_padding(body, header)
    return values, others


def _row_of(message: Message) -> tuple[ControlProtocol, Row]:
    try:
        return _ROWS[type(message)]
    except KeyError:
        raise InvalidValue(
            f"{type(message).__name__} is no message of TS 24.380", code="rtcp.message"
        ) from None
