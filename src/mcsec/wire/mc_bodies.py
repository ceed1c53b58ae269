"""Bodies of MCPTT's SIP messages: which parts, and their protection under the CSK (TS 24.379 4.8, 6.6).

Each function gives the parts of one kind of message; :func:`mcsec.wire.multipart.encode` writes them. Shared by client
and server, so that what one side composes is what the other expects.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcsec.errors import DecodeError, Refused
from mcsec.wire import affiliation, mbms_usage, mcptt_info, mikey_body, multipart, sdp, signed_bodies, xmlsec
from mcsec.wire.affiliation import Presence
from mcsec.wire.mbms_usage import MbmsUsage
from mcsec.wire.mcptt_info import McpttInfo
from mcsec.wire.multipart import Part
from mcsec.wire.sdp import Session
from mcsec.wire.xmlsec import KeyLookup, XmlKeys

POC_SETTINGS = "application/poc-settings+xml"
#: The settings that every client of ours publishes: MCPTT is on, answered by hand (OMA PoC settings).
_SETTINGS = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<poc-settings xmlns="urn:oma:params:xml:ns:poc:poc-settings">'
    b'<entity id="settings"><am-settings><answer-mode>automatic</answer-mode></am-settings></entity></poc-settings>'
)


def authorisation(info: McpttInfo, csk_message: bytes | None, *, settings: bool = False) -> tuple[Part, ...]:
    """REGISTER (7.2.1), or with ``settings`` PUBLISH (7.2.2): who it is, and the CSK upload where there is one."""
    parts = [Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info))]
    if settings:
        parts.append(Part(POC_SETTINGS, _SETTINGS))
    if csk_message is not None:
        parts.append(mikey_body.encode(csk_message))
    return tuple(parts)


def affiliations(info: McpttInfo, presence: Presence) -> tuple[Part, ...]:
    """PUBLISH of the groups that a client wants to hear (9.2.1.2)."""
    return (
        Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info)),
        Part(affiliation.CONTENT_TYPE, affiliation.encode(presence)),
    )


def key_download(mc_service_id: str, message: bytes) -> tuple[Part, ...]:
    """MESSAGE with a MuSiK or a CSK for a client (7.3.7)."""
    info = McpttInfo(request_uri=mc_service_id)
    return (Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info)), mikey_body.encode(message))


def announcement(mc_service_id: str, session: Session | None, usage: MbmsUsage) -> tuple[Part, ...]:
    """MESSAGE that announces bearers (14.2.2.2); without ``session`` what was described before stays."""
    parts = [Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(McpttInfo(request_uri=mc_service_id)))]
    if session is not None:
        parts.append(Part(sdp.CONTENT_TYPE, sdp.encode(session)))
    parts.append(Part(mbms_usage.CONTENT_TYPE, mbms_usage.encode(usage)))
    return tuple(parts)


def report(info: McpttInfo, usage: MbmsUsage) -> tuple[Part, ...]:
    """MESSAGE with a listening report (14.3.3) or a suspension report (14.3.4)."""
    return (
        Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(info)),
        Part(mbms_usage.CONTENT_TYPE, mbms_usage.encode(usage)),
    )


def protect(parts: Sequence[Part], keys: XmlKeys, domain: str) -> tuple[Part, ...]:
    """``parts`` with the sensitive values of mcptt-info encrypted and every XML part signed (6.6.2, 6.6.3).

    :param domain: what comes after the ``@`` of Content-IDs that are made here.
    :raises InvalidValue: there is no XML part.
    """
    sealed = [
        Part(
            part.content_type,
            mcptt_info.encode(xmlsec.encrypt(mcptt_info.decode(part.body), keys)),
            part.headers,
        )
        if part.essence == mcptt_info.CONTENT_TYPE
        else part
        for part in parts
    ]
    return signed_bodies.sign(sealed, keys, domain)


@dataclass(frozen=True, slots=True)
class Body:
    """A message's body, taken apart and checked.

    ``info`` is its mcptt-info with every value in clear; ``parts`` are all parts but the signatures; ``signed`` says
    whether its XML was signed.
    """

    info: McpttInfo
    parts: tuple[Part, ...]
    signed: bool

    def part(self, essence: str) -> Part | None:
        """The first part of a type."""
        return multipart.first(self.parts, essence)

    def needed(self, essence: str) -> Part:
        """The first part of a type.

        :raises DecodeError: there is none.
        """
        part = self.part(essence)
        if part is None:
            raise DecodeError(f"no part {essence}", code="mc-body.missing", clause="TS 24.379 6.1")
        return part


def read(parts: Iterable[Part], keys: KeyLookup | None = None, *, protected: bool = False) -> Body:
    """Check signatures, open what is encrypted.

    :param keys: the XML keys under a key ID; None: the sender shares no key with us.
    :param protected: refuse XML that is not signed, and values that could be encrypted and are not.
    :raises DecodeError: a part is not what it says.
    :raises Refused: ``mc-body.unprotected``, or ``signed-bodies.unsigned``.
    :raises UnknownKey: there is no key for what is encrypted or signed.
    :raises CheckFailed: a signature or a cipher text is wrong.
    """
    found = tuple(parts)
    holder = multipart.first(found, signed_bodies.CONTENT_TYPE)
    signed = holder is not None and keys is not None
    if signed:
        assert keys is not None
        verified = signed_bodies.verify(found, keys)
        found = (*verified.signed, *verified.unsigned)
    elif protected and any(signed_bodies.is_xml(part) for part in found):
        raise Refused("the XML is not signed", code="mc-body.unprotected", clause="TS 24.379 6.6.3")
    else:
        found = tuple(part for part in found if part is not holder)
    element = multipart.first(found, mcptt_info.CONTENT_TYPE)
    info = McpttInfo() if element is None else mcptt_info.decode(element.content, strict=False)
    if protected and xmlsec.in_clear(info):
        raise Refused("values stand in clear", code="mc-body.unprotected", clause="TS 24.379 6.6.2")
    return Body(info if keys is None else xmlsec.decrypt(info, keys), found, signed)
