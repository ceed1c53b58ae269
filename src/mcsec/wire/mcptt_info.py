"""``application/vnd.3gpp.mcptt-info+xml``: who asks whom for what (TS 24.379 F.1).

The schema is a sequence: elements are written in its order, and read in no other. A value that an identity or a
token stands in may be encrypted under XPK; it is then an :class:`Encrypted`, which :mod:`mcsec.wire.xmlsec` opens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from lxml import etree

from mcsec._core import Secret
from mcsec.errors import DecodeError, InvalidValue
from mcsec.wire import xml
from mcsec.wire.elements import Namespace, name_of, set_text, to_boolean, to_text
from mcsec.wire.gktp import GktpSet, read_set, write_set

CONTENT_TYPE = "application/vnd.3gpp.mcptt-info+xml"
INFO = Namespace("urn:3gpp:ns:mcpttInfo:1.0", "mcptt-info")
XENC = Namespace("http://www.w3.org/2001/04/xmlenc#", "xmlsec")


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A value that only a holder of the key can read: an ``xenc:EncryptedData`` element, as octets."""

    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class McpttInfo:
    """The parameters. The access token is a :class:`Secret`: who holds it can act for the user.

    ``extensions`` are the children of ``anyExt``, each as octets of XML, kept as they came.
    """

    access_token: Secret | Encrypted | None = None
    session_type: str | None = None
    request_uri: str | Encrypted | None = None
    calling_user_id: str | Encrypted | None = None
    called_party_id: str | Encrypted | None = None
    calling_group_id: str | Encrypted | None = None
    required: str | Encrypted | None = None
    emergency_ind: bool | Encrypted | None = None
    alert_ind: bool | Encrypted | None = None
    imminentperil_ind: bool | Encrypted | None = None
    broadcast_ind: bool | None = None
    mc_org: str | None = None
    floor_state: str | None = None
    associated_group_id: str | Encrypted | None = None
    originated_by: str | Encrypted | None = None
    mkfc_gktps: GktpSet | None = None
    client_id: str | Encrypted | None = None
    alert_ind_rcvd: bool | Encrypted | None = None
    gw_mcptt_usage: bool | None = None
    extensions: tuple[bytes, ...] = ()


class Kind(Enum):
    """What an element holds."""

    BEARER = "mcpttString in contentType, a secret"
    URI = "mcpttURI in contentType"
    STRING = "mcpttString in contentType"
    BOOLEAN = "mcpttBoolean in contentType"
    PLAIN_TEXT = "text"
    PLAIN_BOOLEAN = "boolean"
    GKTPS = "GKTPs"
    EXTENSIONS = "any elements"


#: The child of a contentType element by kind. These, and no others, may be encrypted.
_CHILDREN = {
    Kind.BEARER: "mcpttString",
    Kind.URI: "mcpttURI",
    Kind.STRING: "mcpttString",
    Kind.BOOLEAN: "mcpttBoolean",
}
#: Element and kind of each attribute, in the order of the schema.
ELEMENTS: dict[str, tuple[str, Kind]] = {
    "access_token": ("mcptt-access-token", Kind.BEARER),
    "session_type": ("session-type", Kind.PLAIN_TEXT),
    "request_uri": ("mcptt-request-uri", Kind.URI),
    "calling_user_id": ("mcptt-calling-user-id", Kind.URI),
    "called_party_id": ("mcptt-called-party-id", Kind.URI),
    "calling_group_id": ("mcptt-calling-group-id", Kind.URI),
    "required": ("required", Kind.STRING),
    "emergency_ind": ("emergency-ind", Kind.BOOLEAN),
    "alert_ind": ("alert-ind", Kind.BOOLEAN),
    "imminentperil_ind": ("imminentperil-ind", Kind.BOOLEAN),
    "broadcast_ind": ("broadcast-ind", Kind.PLAIN_BOOLEAN),
    "mc_org": ("mc-org", Kind.PLAIN_TEXT),
    "floor_state": ("floor-state", Kind.PLAIN_TEXT),
    "associated_group_id": ("associated-group-id", Kind.URI),
    "originated_by": ("originated-by", Kind.URI),
    "mkfc_gktps": ("MKFC-GKTPs", Kind.GKTPS),
    "client_id": ("mcptt-client-id", Kind.STRING),
    "alert_ind_rcvd": ("alert-ind-rcvd", Kind.BOOLEAN),
    "gw_mcptt_usage": ("gw-mcptt-usage", Kind.PLAIN_BOOLEAN),
    "extensions": ("anyExt", Kind.EXTENSIONS),
}
#: Attributes whose values may be encrypted.
ENCRYPTABLE = tuple(attribute for attribute, (_, kind) in ELEMENTS.items() if kind in _CHILDREN)
_ORDER = {element: (place, attribute) for place, (attribute, (element, _)) in enumerate(ELEMENTS.items())}


def decode(document: bytes, *, strict: bool = True) -> McpttInfo:
    """An ``mcpttinfo`` document.

    :param strict: refuse elements out of the schema's order, and elements that it does not have. Otherwise order
        does not matter, and unknown elements are passed over.
    :raises DecodeError: no such document, an element twice, or a value that is none.
    """
    root = INFO.parse(document, "mcpttinfo")
    params = INFO.find(root, "mcptt-Params")
    values: dict[str, Any] = {}
    last = -1
    for element in () if params is None else INFO.own(params):
        place, attribute = _ORDER.get(name_of(element), (last, None))
        if attribute in values:
            raise INFO.error(f"element {name_of(element)} twice")
        if strict and attribute is None:
            raise INFO.error(f"no element {name_of(element)} is known")
        if strict and place < last:
            raise INFO.error(f"element {name_of(element)} is out of its place")
        if attribute is not None:
            values[attribute] = _read(element, ELEMENTS[attribute][1])
            last = place
    return McpttInfo(**values)


def encode(info: McpttInfo) -> bytes:
    """The document in XML.

    :raises InvalidValue: a value that XML cannot write, or an :class:`Encrypted` where the schema has none.
    """
    root = INFO.root("mcpttinfo")
    params = INFO.add(root, "mcptt-Params")
    for attribute, (name, kind) in ELEMENTS.items():
        value = getattr(info, attribute)
        if value is not None and value != ():
            _write(INFO.add(params, name), kind, value)
    return xml.serialise(root)


def read_clear(attribute: str, child: etree._Element) -> object:
    """The value of an attribute from the child that its element has in clear.

    :raises DecodeError: the child is none for this element.
    """
    return _read_child(child, ELEMENTS[attribute][1])


def write_clear(attribute: str, value: object) -> etree._Element:
    """The child that the element of an attribute has in clear.

    :raises InvalidValue: a value that XML cannot write.
    """
    return _write_child(ELEMENTS[attribute][1], value)


def _read(element: etree._Element, kind: Kind) -> object:
    match kind:
        case Kind.PLAIN_TEXT:
            return INFO.value(element, str)
        case Kind.PLAIN_BOOLEAN:
            return INFO.value(element, to_boolean)
        case Kind.GKTPS:
            return read_set(element)
        case Kind.EXTENSIONS:
            return tuple(xml.canonical(child) for child in element)
    return _read_content(element, kind)


def _read_content(element: etree._Element, kind: Kind) -> object:
    """A contentType element: one child, in clear or encrypted. Its ``type`` must say which."""
    if len(element) != 1:
        raise INFO.error(f"{name_of(element)} has {len(element)} children, not one")
    child = element[0]
    encrypted = child.tag == XENC("EncryptedData")
    if element.get("type", "Normal") != ("Encrypted" if encrypted else "Normal"):
        raise INFO.error(f"the type of {name_of(element)} is not what it holds")
    return Encrypted(xml.canonical(child)) if encrypted else _read_child(child, kind)


def _read_child(child: etree._Element, kind: Kind) -> object:
    # A URI in mcpttString and a string in mcpttURI are both seen; the text is what counts.
    allowed = {_CHILDREN[kind]} if kind is Kind.BOOLEAN else {"mcpttURI", "mcpttString"}
    if child.tag not in [INFO(name) for name in allowed]:
        raise INFO.error(f"no {_CHILDREN[kind]} where one belongs")
    if kind is Kind.BOOLEAN:
        return INFO.value(child, to_boolean)
    text = INFO.value(child, to_text)
    return Secret(text.encode()) if kind is Kind.BEARER else text


def _write(element: etree._Element, kind: Kind, value: Any) -> None:
    if kind in _CHILDREN:
        _write_content(element, kind, value)
    elif isinstance(value, Encrypted):
        raise InvalidValue(f"{name_of(element)} cannot be encrypted", code="mcptt-info.encrypted")
    elif kind is Kind.GKTPS:
        write_set(element, value)
    elif kind is Kind.EXTENSIONS:
        element.extend(map(_fragment, value))
    else:
        set_text(element, _text(value))


def _write_content(element: etree._Element, kind: Kind, value: Any) -> None:
    encrypted = isinstance(value, Encrypted)
    element.set("type", "Encrypted" if encrypted else "Normal")
    element.append(_fragment(value.data) if encrypted else _write_child(kind, value))


def _write_child(kind: Kind, value: Any) -> etree._Element:
    child = INFO.root(_CHILDREN[kind])
    set_text(child, _bearer(value) if isinstance(value, Secret) else _text(value))
    return child


def _text(value: str | bool) -> str:
    return value if isinstance(value, str) else "true" if value else "false"


def _bearer(value: Secret) -> str:
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        raise InvalidValue("an access token that is no text", code="mcptt-info.token") from None


def _fragment(octets: bytes) -> etree._Element:
    try:
        return xml.parse(octets)
    except DecodeError as error:
        raise InvalidValue(f"a fragment that is no XML: {error}", code="mcptt-info.fragment") from None
