"""The capabilities exchange (RFC 6733 5.3): what we say of ourselves, and what we make of what they say."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from mcsec.net.diameter.config import PeerConfig
from mcsec.net.diameter.errors import CapabilitiesRefused
from mcsec.net.diameter.shared import Connection, Shared
from mcsec.wire.diameter.base import Cea, Cer, ErrorAnswer, Inband, VendorSpecificApplicationId
from mcsec.wire.diameter.results import ResultCode, is_protocol_error
from mcsec.wire.diameter.table import RELAY


def our_cer(shared: Shared, connection: Connection) -> Cer:
    """Our Capabilities-Exchange-Request."""
    config = shared.config
    return Cer(
        origin_host=config.host,
        origin_realm=config.realm,
        host_ip_address=config.addresses or (connection.local or IPv4Address(0),),
        vendor_id=config.vendor_id,
        product_name=config.product_name,
        origin_state_id=shared.origin_state_id,
        supported_vendor_id=_vendors(shared),
        auth_application_id=tuple(app.identifier for app in config.applications if not app.vendor),
        inband_security_id=(Inband.NO_INBAND_SECURITY,),
        vendor_specific_application_id=_vendor_applications(shared),
    )


def refusing_cea(shared: Shared, connection: Connection, refused: CapabilitiesRefused) -> Cea | ErrorAnswer:
    """The answer to a CER that is refused; a protocol error has the E bit (RFC 6733 7.1.3)."""
    if is_protocol_error(refused.result_code):
        return shared.error_answer(None, refused.result_code, str(refused), None)
    return our_cea(shared, connection, refused.result_code, str(refused))


def our_cea(shared: Shared, connection: Connection, result: ResultCode, error: str | None = None) -> Cea:
    """Our Capabilities-Exchange-Answer."""
    cer = our_cer(shared, connection)
    return Cea(
        result_code=result,
        error_message=error,
        origin_host=cer.origin_host,
        origin_realm=cer.origin_realm,
        host_ip_address=cer.host_ip_address,
        vendor_id=cer.vendor_id,
        product_name=cer.product_name,
        origin_state_id=cer.origin_state_id,
        supported_vendor_id=cer.supported_vendor_id,
        auth_application_id=cer.auth_application_id,
        vendor_specific_application_id=cer.vendor_specific_application_id,
    )


def _vendors(shared: Shared) -> tuple[int, ...]:
    return tuple(sorted({app.vendor for app in shared.config.applications if app.vendor}))


def _vendor_applications(shared: Shared) -> tuple[VendorSpecificApplicationId, ...]:
    return tuple(
        VendorSpecificApplicationId(vendor_id=app.vendor, auth_application_id=app.identifier)
        for app in shared.config.applications
        if app.vendor
    )


def common_applications(shared: Shared, theirs: Cer | Cea) -> frozenset[int]:
    """Application identifiers on both sides. A relay has them all in common (RFC 6733 2.4)."""
    ours = frozenset(app.identifier for app in shared.config.applications)
    offered = set(theirs.auth_application_id)
    offered |= {vsai.auth_application_id or 0 for vsai in theirs.vendor_specific_application_id}
    return ours if RELAY in offered else ours & offered


def check_cer(shared: Shared, connection: Connection, config: PeerConfig | None, cer: Cer) -> PeerConfig:
    """The entry of the peer that sent ``cer``. ``config`` is what is known under its Origin-Host, if anything.

    :raises CapabilitiesRefused: it may not connect, or there is nothing to talk about.
    """
    if config is None:
        raise CapabilitiesRefused("not a configured peer", ResultCode.UNKNOWN_PEER)
    _check_identity(connection, config, cer.origin_realm)
    if cer.inband_security_id and Inband.NO_INBAND_SECURITY not in cer.inband_security_id:
        raise CapabilitiesRefused("it wants TLS inside the connection", ResultCode.NO_COMMON_SECURITY)
    if not common_applications(shared, cer):
        raise CapabilitiesRefused("no application in common", ResultCode.NO_COMMON_APPLICATION)
    return config


def check_cea(shared: Shared, connection: Connection, config: PeerConfig, cea: Cea) -> None:
    """That we dialled whom we meant, and that it takes us.

    :raises CapabilitiesRefused: the connection is of no use.
    """
    if cea.result_code != ResultCode.SUCCESS:
        text = f"it answers result {cea.result_code} {cea.error_message or ''}".rstrip()
        raise CapabilitiesRefused(text, ResultCode.UNABLE_TO_COMPLY)
    if cea.origin_host.lower() != config.host.lower():
        raise CapabilitiesRefused(f"it calls itself {cea.origin_host}", ResultCode.UNKNOWN_PEER)
    _check_identity(connection, config, cea.origin_realm)
    if not common_applications(shared, cea):
        raise CapabilitiesRefused("no application in common", ResultCode.NO_COMMON_APPLICATION)


def _check_identity(connection: Connection, config: PeerConfig, realm: str) -> None:
    problem = None
    if realm.lower() != config.realm.lower():
        problem = f"its realm {realm} is not {config.realm}"
    elif connection.names is None:
        problem = "it came without TLS" if config.require_tls else None
    elif config.host.lower() not in connection.names:
        problem = "its certificate does not carry its name"
    if problem is None and config.networks and not connection.dialled:
        remote = ip_address(connection.remote)
        if not any(remote in network for network in config.networks):
            problem = f"it comes from {remote}"
    if problem is not None:
        raise CapabilitiesRefused(problem, ResultCode.UNKNOWN_PEER)
