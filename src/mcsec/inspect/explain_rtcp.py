"""RTCP APP messages explained octet by octet, in clear or protected.

The decoder of :mod:`mcsec.wire.rtcp` does the work: it names what it reads. Of a protected packet only what SRTCP
leaves in clear can be said: the first eight octets and the trailer.
"""

from __future__ import annotations

from mcsec.errors import DecodeError
from mcsec.ids import KeyId
from mcsec.inspect.annotate import Explanation, Walk
from mcsec.wire.rtcp.app import HEADER_OCTETS, read_clear_header
from mcsec.wire.rtcp.codec import PROTOCOLS, read_message
from mcsec.wire.rtcp.profile import STRICT, Profile
from mcsec.wire.rtcp.reader import Reader, Span
from mcsec.wire.rtcp.subchannel import LEGACY_NAME

_KIND = "RTCP APP"
_PROTECTED_KIND = "RTCP APP protected by SRTCP"
_TAG_OCTETS = 16
_INDEX_OCTETS = 4
_ENCRYPTED = 1 << 31
_NAMES = {name.encode() for name in (*PROTOCOLS, LEGACY_NAME)}
#: MKI sizes in use: a key ID, or the two of a GMK.
_MKI_SIZES = (4, 8)


def explain_rtcp(octets: bytes, *, mki_octets: int | None = None, profile: Profile = STRICT) -> Explanation:
    """Every octet of a datagram with control messages.

    :param mki_octets: the packet is protected by SRTCP with AEAD_AES_128_GCM and an MKI of this size (0: none).
        Without it, a packet in clear is expected, unless its size says that it is protected
        (:func:`guess_mki_octets`).
    :param profile: how to read messages in clear.
    """
    if mki_octets is None:
        mki_octets = guess_mki_octets(octets)
    if mki_octets is None:
        spans: list[Span] = []
        error = _read_messages(Reader(octets, strict=profile.strict, spans=spans), profile)
        return _explanation(_KIND, octets, spans, error)
    return _explain_protected(octets, mki_octets, profile)


def guess_mki_octets(octets: bytes) -> int | None:
    """The size of the MKI when this looks like one protected message: no known name, and a trailer that fits."""
    if octets[8:HEADER_OCTETS] in _NAMES:
        return None
    try:
        _, _, size = read_clear_header(Reader(octets))
    except DecodeError:
        return None
    surplus = len(octets) - size - _TAG_OCTETS - _INDEX_OCTETS
    return surplus if surplus in _MKI_SIZES else None


def _read_messages(reader: Reader, profile: Profile) -> DecodeError | None:
    try:
        read_message(reader, profile)
        while reader.remaining:
            read_message(reader, profile)
    except DecodeError as error:
        return error
    return None


def _explain_protected(octets: bytes, mki_octets: int, profile: Profile) -> Explanation:
    """RFC 7714 9.2: header (8) | ciphertext | tag (16) | E and index (4) | MKI."""
    spans: list[Span] = []
    trailer = _TAG_OCTETS + _INDEX_OCTETS + mki_octets
    reader = Reader(octets, spans=spans, end=max(0, len(octets) - trailer))
    index_at = len(octets) - mki_octets - _INDEX_OCTETS
    error = None
    if index_at >= 0 and not octets[index_at] & 0x80:
        # Authenticated only: the messages are in clear.
        error = _read_messages(reader, profile)
    else:
        try:
            read_clear_header(reader)
            reader.clause = "RFC 3711 3.4"
            reader.octets(
                reader.remaining, "encrypted", say=lambda value: "name and fields, opaque without the key"
            )
        except DecodeError as failure:
            error = failure
    if error is None:
        tail = Reader(octets, spans=spans, position=reader.end, clause="RFC 7714 9.2")
        tail.octets(_TAG_OCTETS, "authentication tag", say=lambda value: "AEAD_AES_128_GCM")
        tail.uint(_INDEX_OCTETS, "E and SRTCP index", say=_say_index)
        tail.octets(mki_octets, "MKI", say=_say_mki)
    return _explanation(_PROTECTED_KIND, octets, spans, error)


def _explanation(kind: str, octets: bytes, spans: list[Span], error: DecodeError | None) -> Explanation:
    walk = Walk(kind, octets)
    for span in spans:
        walk.step(span.length, span.name, span.value, span.meaning, span.clause)
    return walk.finish(error)


def _say_index(word: int) -> str:
    how = "encrypted" if word & _ENCRYPTED else "not encrypted"
    return f"{how}, index {word & (_ENCRYPTED - 1)}"


def _say_mki(octets: bytes) -> str:
    """The key IDs that an MKI is made of; the purpose tag tells which store to look in (TS 33.180 annex G)."""
    if len(octets) not in _MKI_SIZES:
        return "not a key ID of TS 33.180"
    said = []
    for start in range(0, len(octets), 4):
        try:
            key_id = KeyId.decode(octets[start : start + 4])
        except DecodeError:
            return "a key ID with an undefined purpose tag"
        said.append(f"{key_id.tag.label}-ID {key_id}" if start == 0 else f"GUK-ID {key_id}")
    return ", ".join(said)
