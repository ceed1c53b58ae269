"""What a document would leave open: a group document, a service configuration, or a domain's own configuration.

Each finding says what stands where, what follows from it, and the clause. Nothing is changed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lxml import etree

from mcsec.errors import DecodeError
from mcsec.wire import groups, xml
from mcsec.wire.elements import name_of, to_boolean
from mcsec.wire.groups import GroupDocument, Protection


class Severity(StrEnum):
    """``OPEN``: something goes in clear, or can be read by who should not. ``WEAK``: not as good as it can be."""

    OPEN = "open"
    WEAK = "weak"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a document leaves open; ``code`` stays the same between releases."""

    severity: Severity
    code: str
    where: str
    text: str
    clause: str = ""

    def to_dict(self) -> dict[str, str]:
        """As JSON shows it."""
        return {name: str(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a document is, and what it leaves open."""

    kind: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Nothing is open."""
        return not any(finding.severity is Severity.OPEN for finding in self.findings)


def lint(octets: bytes) -> Verdict:
    """Look at a document.

    :raises DecodeError: it is none of those that can be looked at.
    """
    if octets.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        root = xml.parse(octets)
        if root.tag == groups.LIST("group"):
            return Verdict("group document", tuple(_group(groups.read(root))))
        if name_of(root) == "service-configuration-info":
            return Verdict("service configuration", tuple(_service(root)))
        raise DecodeError("neither a group document nor a service configuration", code="policy.kind")
    try:
        content = tomllib.loads(octets.decode())
    except (ValueError, RecursionError):
        raise DecodeError("neither XML nor TOML", code="policy.kind") from None
    if not {"domain", "kms", "gms", "server"} & content.keys():
        raise DecodeError("no configuration of a domain", code="policy.kind")
    return Verdict("domain configuration", tuple(_domain(content)))


# --- group documents (TS 24.481 7.2)


def _group(group: GroupDocument) -> Iterator[Finding]:
    where = group.uri
    if not group.is_mcptt:
        yield Finding(
            Severity.NOTE,
            "group.no-mcptt",
            where,
            "supported-services does not name MCPTT: the GMS makes no keys for it",
            "TS 24.481 7.2.8",
        )
    if group.disabled:
        yield Finding(
            Severity.NOTE,
            "group.disabled",
            where,
            "on-network-disabled: nobody is given keys",
            "TS 24.481 7.2",
        )
    yield from _protection(group.protection, where)
    for regrouped in group.regrouped:
        yield from _protection(regrouped.protection, f"{where} in {regrouped.temporary_group_id}")
    if group.maximum_duration is None:
        yield Finding(
            Severity.NOTE,
            "group.no-maximum",
            where,
            "no on-network-maximum-duration: a call has no end of its own",
            "TS 24.379 TNG3",
        )
    if not group.members and not group.constituents:
        yield Finding(Severity.NOTE, "group.empty", where, "no members")


def _protection(protection: Protection, where: str) -> Iterator[Finding]:
    if not protection.media_protected:
        yield Finding(
            Severity.OPEN,
            "group.media-clear",
            where,
            "protect-media is false: speech goes in clear through every server, network and bearer",
            "TS 24.380 13.1",
        )
    if not protection.floor_protected:
        yield Finding(
            Severity.OPEN,
            "group.floor-clear",
            where,
            "protect-floor-control-signalling is false: who talks and who asks is in clear by unicast, and to "
            "everybody in the area on a bearer",
            "TS 24.380 13.1",
        )
    if protection.multicast_floor and protection.floor_protected:
        yield Finding(
            Severity.WEAK,
            "group.mkfc",
            where,
            "require-multicast-floor-control-signalling: where the operator switches Release 13 mode on, floor "
            "control on bearers is under an MKFC that the GMS of the group's home knows, not under the server's MuSiK",
            "TS 24.380 13.1 item 3 B",
        )
    absent = [
        name
        for name, value in (
            ("protect-media", protection.media),
            ("protect-floor-control-signalling", protection.floor),
        )
        if value is None
    ]
    if absent:
        yield Finding(
            Severity.NOTE,
            "group.implied",
            where,
            f"{' and '.join(absent)} absent: protected here; other implementations may read it otherwise",
            "docs/readings/gms.md",
        )


# --- service configuration (TS 24.484 8.4)

_SERVICE = {
    "confidentiality-protection": (
        "service.identities-clear",
        "identities and tokens in the XML of SIP messages are not encrypted",
    ),
    "integrity-protection": (
        "service.unsigned",
        "the XML of SIP messages is not signed: whoever carries it can change it",
    ),
    "allow-signalling-protection": (
        "service.servers-clear",
        "signalling between servers is not protected by an SPK",
    ),
    "allow-floor-control-protection": (
        "service.server-floor-clear",
        "floor control between servers is not protected by an SPK",
    ),
}


def _service(root: etree._Element) -> Iterator[Finding]:
    for element in root.iter():
        if not isinstance(element.tag, str) or name_of(element) not in _SERVICE:
            continue
        name = name_of(element)
        code, text = _SERVICE[name]
        try:
            protected = to_boolean((element.text or "").strip())
        except ValueError:
            raise DecodeError(f"{name} has no valid value", code="policy.value") from None
        if not protected:
            yield Finding(Severity.OPEN, code, name, f"false: {text}", "TS 24.484 8.4.2.6")


# --- a domain's configuration


@dataclass(frozen=True, slots=True)
class _Check:
    section: str
    name: str
    default: Any
    severity: Severity
    code: str
    text: str


_DOMAIN = (
    _Check(
        "kms",
        "protection",
        True,
        Severity.OPEN,
        "kms.unprotected",
        "keys go out in clear inside TLS, and requests are not signed: a token alone is enough",
    ),
    _Check(
        "server",
        "protection",
        True,
        Severity.OPEN,
        "server.xml-clear",
        "XML in SIP is taken unsigned and with identities in clear, also from clients that have a CSK",
    ),
    _Check(
        "server",
        "csk_required",
        False,
        Severity.WEAK,
        "server.csk-optional",
        "a client without a CSK is served: its unicast floor control has no key",
    ),
    _Check(
        "server",
        "default_musik",
        True,
        Severity.WEAK,
        "server.no-default-musik",
        "groups without a MuSiK of their own are not broadcast",
    ),
    _Check("server", "key_lifetime", 86_400, Severity.WEAK, "server.no-lifetime", "keys never expire"),
    _Check("gms.keys", "lifetime", 2_592_000, Severity.WEAK, "gms.no-lifetime", "group keys never expire"),
    _Check(
        "gms.keys",
        "revoked_for",
        604_800,
        Severity.WEAK,
        "gms.revocation-forgotten",
        "who is away when a key is revoked is never told",
    ),
    _Check(
        "gms.keys",
        "rotate_on_join",
        False,
        Severity.NOTE,
        "gms.no-rotation-on-join",
        "a new member can read what was recorded under the present keys",
    ),
)


def _domain(content: dict[str, Any]) -> Iterator[Finding]:
    for check in _DOMAIN:
        section = _section(content, check.section)
        if section is None:
            continue
        value = section.get(check.name, check.default)
        closed = bool(value) if isinstance(check.default, bool) else value != 0
        if not closed:
            where = f"[{check.section}] {check.name}"
            yield Finding(check.severity, check.code, where, f"{_shown(value)}: {check.text}")
    yield from _periods(content)
    yield from _issuers(content)
    for group in _rows(content, "server", "groups"):
        where = f"[[server.groups]] {group.get('id', '')}"
        flags = (group.get("protect_media"), group.get("protect_floor_control"))
        media, floor = (flag if isinstance(flag, bool) else True for flag in flags)
        yield from _protection(Protection(media=media, floor=floor), where)


def _periods(content: dict[str, Any]) -> Iterator[Finding]:
    kms = _section(content, "kms")
    if kms is None:
        return
    if "key_period" not in kms:
        yield Finding(
            Severity.WEAK,
            "kms.no-key-period",
            "[kms] key_period",
            "missing: 30 days are taken, and can never change; say which",
            "TS 33.180 F.2.1",
        )
    elif isinstance(kms["key_period"], int) and kms["key_period"] > 366 * 86_400:
        yield Finding(
            Severity.WEAK,
            "kms.long-key-period",
            "[kms] key_period",
            "over a year: so long does the key of somebody who left stay good",
        )


def _issuers(content: dict[str, Any]) -> Iterator[Finding]:
    for entity in ("kms", "gms", "server"):
        for issuer in _rows(content, entity, "issuers"):
            if str(issuer.get("jwks", "")).startswith("http://"):
                yield Finding(
                    Severity.OPEN,
                    "issuer.clear",
                    f"[[{entity}.issuers]] {issuer.get('issuer', '')}",
                    "its keys come without TLS: whoever is on the way can be anybody",
                )


def _section(content: dict[str, Any], name: str) -> dict[str, Any] | None:
    found: Any = content
    for part in name.split("."):
        if not isinstance(found, dict) or (part not in found and found is content):
            return None
        found = found.get(part, {})
    return found if isinstance(found, dict) else None


def _rows(content: dict[str, Any], section: str, name: str) -> list[dict[str, Any]]:
    rows = (_section(content, section) or {}).get(name, [])
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
