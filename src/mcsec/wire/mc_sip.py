"""What MCPTT puts into SIP headers (TS 24.379 4.4, 6.2, 6.3): service, feature tags, events, warnings.

Shared by client and server. Headers are ``(name, value)`` pairs, as :mod:`mcsec.net.sip` takes them. Bodies are in
:mod:`mcsec.wire.mc_bodies`. What was only remembered is listed in ``docs/readings/signalling.md``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

Lines = tuple[tuple[str, str], ...]

#: The IMS communication service identifier of MCPTT, and how g.3gpp.icsi-ref writes it (RFC 3840: percent-coded).
ICSI: Final = "urn:urn-7:3gpp-service.ims.icsi.mcptt"
ICSI_REF: Final = "urn%3Aurn-7%3A3gpp-service.ims.icsi.mcptt"
#: Parameters of a client's Contact (TS 24.379 7.2.1).
FEATURE_TAGS: Final = f'+g.3gpp.mcptt;+g.3gpp.icsi-ref="{ICSI_REF}"'
#: Whom a request is for: clients that speak MCPTT.
ACCEPT_CONTACT: Final[Lines] = (
    ("Accept-Contact", "*;+g.3gpp.mcptt;require;explicit"),
    ("Accept-Contact", f'*;+g.3gpp.icsi-ref="{ICSI_REF}";require;explicit'),
)
#: Event packages: service settings (7.2.2, 7.2.3) and affiliation (9.2.1).
POC_SETTINGS_EVENT: Final = "poc-settings"
PRESENCE_EVENT: Final = "presence"
#: Expires of a PUBLISH that lasts until it is taken back, and of one that takes it back (7.2.3, 7.3.5).
FOREVER: Final = 4_294_967_295
NEVER: Final = 0


def from_server(psi: str) -> Lines:
    """Headers of a MESSAGE from a participating function to a client.

    :param psi: public service identity of the function.
    """
    return (("P-Asserted-Identity", f"<{psi}>"), ("P-Asserted-Service", ICSI), *ACCEPT_CONTACT)


def from_client(impu: str | None = None) -> Lines:
    """Headers of a MESSAGE, PUBLISH or INVITE from a client to its participating function.

    :param impu: the public user identity to be asserted, where the client has several.
    """
    preferred = () if impu is None else (("P-Preferred-Identity", f"<{impu}>"),)
    return (*preferred, ("P-Preferred-Service", ICSI), *ACCEPT_CONTACT)


def publication(event: str, expires: int, impu: str | None = None, etag: str | None = None) -> Lines:
    """Headers of a PUBLISH (RFC 3903); ``etag`` is the SIP-ETag of the publication that is refreshed or ended."""
    match = () if etag is None else (("SIP-If-Match", etag),)
    return (("Event", event), ("Expires", str(expires)), *match, *from_client(impu))


def is_for_mcptt(service: str | None) -> bool:
    """Whether a P-Asserted-Service or P-Preferred-Service value names MCPTT."""
    return service is not None and ICSI in (value.strip().lower() for value in service.split(","))


class McpttWarning(Enum):
    """The warnings of TS 24.379 table 4.4.2-1 that this house gives or understands: number and text."""

    FUNCTION_NOT_ALLOWED = (100, "function not allowed due to the request itself")
    SERVICE_AUTHORISATION_FAILED = (101, "service authorisation failed")
    TOO_MANY_AFFILIATIONS = (102, "too many simultaneous affiliations")
    ISFOCUS_NOT_ASSIGNED = (104, "isfocus not assigned")
    NO_GROUP_DOCUMENT = (113, "group document does not exist")
    GROUP_DISABLED = (115, "group is disabled")
    NOT_IN_GROUP = (116, "user is not part of the MCPTT group")
    IS_PREARRANGED = (117, "the group identity indicated in the request is a prearranged group")
    IS_CHAT = (118, "the group identity indicated in the request is a chat group")
    MAY_NOT_CALL = (119, "user is not authorised to initiate the group call")
    NOT_AFFILIATED = (120, "user is not affiliated to this group")
    # "SAKE" is how the schema of mcptt-info spells it.
    MIKEY_FAILED = (136, "authentication of the MIKEY-SAKE I_MESSAGE failed")
    INTEGRITY_FAILED = (139, "integrity protection check failed")
    NOT_DECRYPTED = (140, "unable to decrypt XML content")
    USER_UNKNOWN = (141, "user unknown to the participating function")

    @property
    def number(self) -> int:
        """The three digits that stand first in the text."""
        return self.value[0]

    @property
    def text(self) -> str:
        """The words that follow."""
        return self.value[1]

    def header(self, host: str) -> tuple[str, str]:
        """The Warning header; ``host`` is who warns."""
        return Warned(self.number, self.text).header(host)


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning as it was read: ``number`` is None where the text does not start with one."""

    number: int | None
    text: str

    def header(self, host: str) -> tuple[str, str]:
        """The Warning header; ``host`` is who warns. Warn-code 399 always, as TS 24.379 4.4.1 has it."""
        words = self.text if self.number is None else f"{self.number} {self.text}"
        return "Warning", f'399 {host} "{_QUOTABLE.sub(" ", words)}"'

    def __str__(self) -> str:
        return self.text if self.number is None else f"{self.number} {self.text}"


def read_warning(value: str | None) -> Warned | None:
    """The warning in a Warning header; None where there is none that can be read. Never raises."""
    found = _WARNING.search(value[:_LONGEST] if value else "")
    if found is None:
        return None
    text = re.sub(r"\\(.)", r"\1", found[1])
    numbered = _NUMBERED.match(text)
    return Warned(int(numbered[1]), numbered[2]) if numbered else Warned(None, text)


_LONGEST = 1024
_QUOTABLE = re.compile(r"[^ !#-\[\]-~]+")
_WARNING = re.compile(r'\b[0-9]{3} +\S+ +"((?:[^"\\]|\\.)*)"')
_NUMBERED = re.compile(r"([0-9]{3}) +(.*)\Z", re.DOTALL)
