"""The base protocol's own messages (RFC 6733 5.3 to 5.5, 7.2), and what every session message shares."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from mcsec.wire.diameter.datatypes import Address
from mcsec.wire.diameter.typed import Group, command, grouped

A = TypeVar("A", bound="Answer")


class DisconnectCause(IntEnum):
    """Why a peer says good-bye (RFC 6733 5.4.3)."""

    REBOOTING = 0
    BUSY = 1
    DO_NOT_WANT_TO_TALK_TO_YOU = 2


class AuthSessionState(IntEnum):
    """Whether session state is kept (RFC 6733 8.11)."""

    STATE_MAINTAINED = 0
    NO_STATE_MAINTAINED = 1


class Inband(IntEnum):
    """Inband-Security-Id values (RFC 6733 6.10)."""

    NO_INBAND_SECURITY = 0
    TLS = 1


@grouped("Vendor-Specific-Application-Id")
class VendorSpecificApplicationId(Group):
    """An application of a vendor, by its authentication or accounting identifier."""

    vendor_id: int
    auth_application_id: int | None = None
    acct_application_id: int | None = None


@grouped("Failed-AVP")
class FailedAvp(Group):
    """What was wrong; the AVPs are in ``other``, opaque."""


@grouped("Experimental-Result")
class ExperimentalResult(Group):
    """A vendor's result code."""

    vendor_id: int
    experimental_result_code: int


@grouped("Proxy-Info")
class ProxyInfo(Group):
    """State a proxy wants back in the answer, unread."""

    proxy_host: str
    proxy_state: bytes


class Answer(Protocol):
    """What every answer has; one without Result-Code and Experimental-Result counts as a failure."""

    @property
    def origin_host(self) -> str:
        """Who answers."""

    @property
    def result_code(self) -> int | None:
        """How it went."""


class Request(Generic[A]):
    """Any request. ``A`` is the type of its answer, so that a type checker knows what asking gives."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Group):
    """Who sends: in every message."""

    origin_host: str
    origin_realm: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result(Message):
    """How it went: in every answer. What an answer's own grammar demands, it redefines."""

    result_code: int | None = None
    error_message: str | None = None
    error_reporting_host: str | None = None
    failed_avp: FailedAvp | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest(Message, Request[A]):
    """What requests of an application share. ``destination_host`` None leaves the choice to the realm."""

    session_id: str
    drmp: int | None = None
    auth_application_id: int
    auth_session_state: AuthSessionState = AuthSessionState.NO_STATE_MAINTAINED
    destination_realm: str
    destination_host: str | None = None
    origin_state_id: int | None = None
    proxy_info: tuple[ProxyInfo, ...] = ()
    route_record: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAnswer(_Result):
    """What answers of an application share."""

    session_id: str
    drmp: int | None = None
    auth_application_id: int
    auth_session_state: AuthSessionState = AuthSessionState.NO_STATE_MAINTAINED
    experimental_result: ExperimentalResult | None = None
    origin_state_id: int | None = None
    redirect_host: tuple[str, ...] = ()
    redirect_host_usage: int | None = None
    redirect_max_cache_time: int | None = None
    proxy_info: tuple[ProxyInfo, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capabilities(Message):
    host_ip_address: tuple[Address, ...]
    vendor_id: int
    product_name: str
    origin_state_id: int | None = None
    supported_vendor_id: tuple[int, ...] = ()
    auth_application_id: tuple[int, ...] = ()
    inband_security_id: tuple[int, ...] = ()
    acct_application_id: tuple[int, ...] = ()
    vendor_specific_application_id: tuple[VendorSpecificApplicationId, ...] = ()
    firmware_revision: int | None = None


@command("CEA")
class Cea(_Capabilities):
    """Capabilities-Exchange-Answer."""

    result_code: int
    error_message: str | None = None
    error_reporting_host: str | None = None
    failed_avp: FailedAvp | None = None


@command("CER")
class Cer(_Capabilities, Request[Cea]):
    """Capabilities-Exchange-Request: who we are and what we speak."""


@command("DWA")
class Dwa(_Result):
    """Device-Watchdog-Answer."""

    result_code: int
    origin_state_id: int | None = None


@command("DWR")
class Dwr(Message, Request[Dwa]):
    """Device-Watchdog-Request: are you there?"""

    origin_state_id: int | None = None


@command("DPA")
class Dpa(_Result):
    """Disconnect-Peer-Answer."""

    result_code: int


@command("DPR")
class Dpr(Message, Request[Dpa]):
    """Disconnect-Peer-Request: the connection will close."""

    disconnect_cause: DisconnectCause


@command("answer-message")
class ErrorAnswer(_Result):
    """The answer of whoever cannot answer properly (RFC 6733 7.2). Unknown AVPs stay in ``other``."""

    session_id: str | None = None
    experimental_result: ExperimentalResult | None = None
    origin_state_id: int | None = None
    proxy_info: tuple[ProxyInfo, ...] = ()
    redirect_host: tuple[str, ...] = ()
    redirect_host_usage: int | None = None
    redirect_max_cache_time: int | None = None
