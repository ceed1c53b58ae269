"""Structured header values: name-addr (From, To, Contact, Route), Via and CSeq (RFC 3261 20)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Self

from mcsec.net.sip.errors import BadMessage
from mcsec.net.sip.grammar import Params, is_token, quote, split, unquote
from mcsec.net.sip.uri import Uri, decode_host_port

#: The start of every branch that RFC 3261 elements make (RFC 3261 8.1.1.7).
MAGIC_COOKIE = "z9hG4bK"
#: CSeq numbers stay below this (RFC 3261 8.1.1.5).
CSEQ_LIMIT = 1 << 31

# Display name (quoted, or anything without quotes), the URI in brackets, and what follows it.
_NAME_ADDR = re.compile(r'("(?:[^"\\]|\\.)*"[ \t]*|[^"<>]*)<([^<>]*)>(.*)', re.DOTALL)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9\-.!%*_+`'~ ]*")
_NOT_IN_URI = frozenset(' \t"<>')
_CSEQ = re.compile(r"([0-9]{1,10})[ \t]+(\S+)")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """An address with display name and header parameters. ``uri`` is the text as written."""

    uri: str
    name: str = ""
    params: Params = field(default_factory=Params)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read ``"Name" <uri>;params`` or ``uri;params``; without brackets parameters belong to the header.

        :raises BadMessage: open quote or bracket, or an empty URI. The URI itself is not looked into.
        """
        if "<" in text:
            match = _NAME_ADDR.fullmatch(text.strip(" \t"))
            if match is None:
                raise BadMessage("a quote or an angle bracket is left open", clause="RFC 3261 20.10")
            name, uri, rest = match.groups()
            address = cls(uri.strip(" \t"), unquote(name.strip(" \t")), Params.decode(rest.strip(" \t")))
        else:
            uri, semicolon, rest = text.partition(";")
            address = cls(uri.strip(" \t"), "", Params.decode(semicolon + rest))
        if not address.uri or not _NOT_IN_URI.isdisjoint(address.uri):
            raise BadMessage("an address has one URI", clause="RFC 3261 20.10")
        return address

    def encode(self) -> str:
        """``"Name" <uri>;params``; always with brackets, so that nobody can mistake the parameters."""
        if not self.name:
            return f"<{self.uri}>{self.params.encode()}"
        name = self.name if _PLAIN_NAME.fullmatch(self.name) else quote(self.name)
        return f"{name} <{self.uri}>{self.params.encode()}"

    def __str__(self) -> str:
        return self.encode()

    @property
    def tag(self) -> str | None:
        """The tag of a From or To."""
        return self.params.get("tag")

    def tagged(self, tag: str) -> Self:
        """The same address with this tag."""
        return replace(self, params=self.params.with_("tag", tag))

    def parsed(self) -> Uri:
        """The URI in its parts.

        :raises BadMessage: it is none.
        """
        return Uri.decode(self.uri)


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of the way back: ``transport`` in upper case, sent-by ``host`` and ``port``, parameters."""

    transport: str
    host: str
    port: int | None = None
    params: Params = field(default_factory=Params)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read one Via value; blanks are tolerated wherever RFC 3261 lets them stand.

        :raises BadMessage: another protocol or version, or no sent-by.
        """
        sent, semicolon, params = text.partition(";")
        parts = [part.strip(" \t") for part in sent.split("/", 2)]
        if len(parts) != 3 or parts[0].upper() != "SIP" or parts[1] != "2.0":
            raise BadMessage("a Via starts with SIP/2.0 and a transport", clause="RFC 3261 20.42")
        transport, _, host_port = parts[2].replace("\t", " ").partition(" ")
        if not is_token(transport):
            raise BadMessage("a Via names a transport", clause="RFC 3261 20.42")
        host, port = decode_host_port(host_port.strip(" "))
        return cls(transport.upper(), host, port, Params.decode(semicolon + params))

    def encode(self) -> str:
        """``SIP/2.0/UDP host:port;params``."""
        port = "" if self.port is None else f":{self.port}"
        return f"SIP/2.0/{self.transport} {self.host}{port}{self.params.encode()}"

    def __str__(self) -> str:
        return self.encode()

    @property
    def branch(self) -> str | None:
        """The branch parameter."""
        return self.params.get("branch")

    @property
    def sent_by(self) -> tuple[str, int]:
        """Host in lower case and port, the default port filled in (RFC 3261 18.1.1)."""
        default = 5061 if self.transport == "TLS" else 5060
        return self.host.lower(), default if self.port is None else self.port


@dataclass(frozen=True, slots=True)
class CSeq:
    """Sequence number and method."""

    number: int
    method: str

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read ``number method``.

        :raises BadMessage: not that, or a number of 2**31 or more.
        """
        match = _CSEQ.fullmatch(text.strip(" \t"))
        if match is None or not is_token(match[2]):
            raise BadMessage("a CSeq is a number and a method", clause="RFC 3261 20.16")
        number = int(match[1])
        if number >= CSEQ_LIMIT:
            raise BadMessage("a CSeq number is below 2**31", clause="RFC 3261 8.1.1.5")
        return cls(number, match[2])

    def encode(self) -> str:
        """``number method``."""
        return f"{self.number} {self.method}"

    def __str__(self) -> str:
        return self.encode()


def decode_address(values: tuple[str, ...]) -> NameAddr:
    """The address of a header that has one (From, To).

    :raises BadMessage: as :meth:`NameAddr.decode`.
    """
    return NameAddr.decode(values[0] if values else "")


def decode_addresses(values: tuple[str, ...]) -> list[NameAddr]:
    """All addresses of a header that takes a list (Contact, Route, Record-Route, Path, Service-Route).

    :raises BadMessage: as :meth:`NameAddr.decode`.
    """
    return [NameAddr.decode(item) for value in values for item in split(value, ",") if item]


def decode_vias(values: tuple[str, ...]) -> list[Via]:
    """All Via values, topmost first.

    :raises BadMessage: as :meth:`Via.decode`.
    """
    return [Via.decode(item) for value in values for item in split(value, ",") if item]
