"""What MB2-C commands carry (TS 29.468 6.4): grouped AVPs, with the numbers and defaults around them."""

from __future__ import annotations

from enum import IntEnum

from mcsec.ids import Tmgi
from mcsec.wire.diameter.datatypes import Address
from mcsec.wire.diameter.table import TGPP
from mcsec.wire.diameter.typed import Group, grouped
from mcsec.wire.mb2.masks import (
    BearerEvent,
    BearerResult,
    Feature,
    FecResult,
    RohcResult,
    TmgiAllocationResult,
    TmgiDeallocationResult,
)
from mcsec.wire.mb2.values import CellList, FlowId, ServiceArea, SessionDuration


class StartStop(IntEnum):
    """MBMS-StartStop-Indication: activate, deactivate, modify (TS 29.061 17.7.5)."""

    START = 0
    STOP = 1
    UPDATE = 2
    HEARTBEAT = 3


class Mb2uSecurity(IntEnum):
    """MB2U-Security (6.4.19); absent means none."""

    NONE = 0
    SECURITY = 1


class Preemption(IntEnum):
    """Pre-emption-Capability and -Vulnerability (TS 29.212 5.3.46, 5.3.47)."""

    ENABLED = 0
    DISABLED = 1


class RohcProfile(IntEnum):
    """ROHC-Profile (6.4.30)."""

    RTP_UDP_IP = 1
    UDP_IP = 2


class Qci(IntEnum):
    """QoS class identifiers for mission critical services (TS 23.203 6.1.7)."""

    MC_PTT_VOICE = 65
    NON_MC_PTT_VOICE = 66
    MC_VIDEO = 67
    MC_SIGNALLING = 69
    MC_DATA = 70


@grouped("Allocation-Retention-Priority")
class AllocationRetentionPriority(Group):
    """ARP. ``priority_level`` is 1 (highest) to 15; absent capability is disabled, absent vulnerability enabled."""

    priority_level: int
    pre_emption_capability: Preemption | None = None
    pre_emption_vulnerability: Preemption | None = None


@grouped("QoS-Information")
class QosInformation(Group):
    """QoS of a bearer. Bit rates are bits per second of the IP layer; ``qos_class_identifier`` see :class:`Qci`."""

    qos_class_identifier: int | None = None
    max_requested_bandwidth_ul: int | None = None
    max_requested_bandwidth_dl: int | None = None
    guaranteed_bitrate_ul: int | None = None
    guaranteed_bitrate_dl: int | None = None
    allocation_retention_priority: AllocationRetentionPriority | None = None


@grouped("Supported-Features")
class SupportedFeatures(Group):
    """Features of one list (TS 29.229 6.3.29). MB2-C has list 1."""

    vendor_id: int = TGPP
    feature_list_id: int = 1
    feature_list: Feature


@grouped("Load")
class Load(Group):
    """How busy a host or peer is (RFC 8583): 65535 is idle, 0 is full."""

    load_type: int | None = None
    load_value: int | None = None
    sourceid: str | None = None


@grouped("TMGI-Allocation-Request")
class TmgiAllocationRequest(Group):
    """Wants ``tmgi_number`` new TMGIs, and new expiry for those in ``tmgi``."""

    tmgi_number: int
    tmgi: tuple[Tmgi, ...] = ()


@grouped("TMGI-Allocation-Response")
class TmgiAllocationResponse(Group):
    """TMGIs that are valid for ``mbms_session_duration``; a result only where something failed."""

    tmgi: tuple[Tmgi, ...] = ()
    mbms_session_duration: SessionDuration | None = None
    tmgi_allocation_result: TmgiAllocationResult | None = None


@grouped("TMGI-Deallocation-Request")
class TmgiDeallocationRequest(Group):
    """Gives TMGIs back."""

    tmgi: tuple[Tmgi, ...] = ()


@grouped("TMGI-Deallocation-Response")
class TmgiDeallocationResponse(Group):
    """One for each TMGI; a result only on failure."""

    tmgi: Tmgi
    tmgi_deallocation_result: TmgiDeallocationResult | None = None


@grouped("TMGI-Expiry")
class TmgiExpiry(Group):
    """These TMGIs are no longer valid."""

    tmgi: tuple[Tmgi, ...]


@grouped("Local-M1-Information")
class LocalM1Information(Group):
    """Where a local user plane leaves towards the cells (V2X)."""

    mbms_enb_ip_multicast_address: Address | None = None
    mbms_enb_ipv6_multicast_address: Address | None = None
    mbms_gw_ssm_ip_address: Address | None = None
    mbms_gw_ssm_ipv6_address: Address | None = None
    common_tunnel_endpoint_identifier: bytes | None = None


@grouped("Local-MB2-U-Information")
class LocalMb2UInformation(Group):
    """Where a local user plane takes MB2-U packets (V2X)."""

    bmsc_address: tuple[Address, ...] = ()
    bmsc_port: int | None = None


@grouped("ROHC-Request")
class RohcRequest(Group):
    """Header compression for the flows described. The periodicity of full headers is in seconds."""

    flow_description: tuple[str, ...]
    rohc_full_header_periodicity: float | None = None
    rohc_profile: RohcProfile


@grouped("Userplane-Protocol-Result")
class UserplaneProtocolResult(Group):
    """State of compression or error correction, for the flows described or for all."""

    flow_description: tuple[str, ...] = ()
    rohc_result: RohcResult | None = None
    fec_result: FecResult | None = None


@grouped("MBMS-Bearer-Request")
class MbmsBearerRequest(Group):
    """One bearer to activate, modify or deactivate; which members are needed depends on that (6.4.6).

    ``mbms_start_time`` is Unix time in seconds; ``fec_request`` is SDP.
    """

    mbms_startstop_indication: StartStop
    tmgi: Tmgi | None = None
    mbms_flow_identifier: FlowId | None = None
    qos_information: QosInformation | None = None
    mbms_service_area: ServiceArea | None = None
    mbms_start_time: int | None = None
    mb2u_security: Mb2uSecurity | None = None
    mbms_cell_list: CellList | None = None
    local_m1_information: LocalM1Information | None = None
    local_mb2_u_information: LocalMb2UInformation | None = None
    fec_request: bytes | None = None
    rohc_request: tuple[RohcRequest, ...] = ()
    rohc_max_cid: int | None = None


@grouped("MBMS-Bearer-Response")
class MbmsBearerResponse(Group):
    """What became of a bearer request: where its MB2-U packets go, or why not (6.4.7)."""

    tmgi: Tmgi | None = None
    mbms_flow_identifier: FlowId | None = None
    mbms_session_duration: SessionDuration | None = None
    mbms_bearer_result: BearerResult | None = None
    bmsc_address: tuple[Address, ...] = ()
    bmsc_port: int | None = None
    mb2u_security: Mb2uSecurity | None = None
    radio_frequency: tuple[int, ...] = ()
    userplane_protocol_result: tuple[UserplaneProtocolResult, ...] = ()


@grouped("MBMS-Bearer-Event-Notification")
class MbmsBearerEventNotification(Group):
    """Something happened to a bearer (6.4.5). The diagnostic's names are in ``DiagnosticInfo``."""

    tmgi: Tmgi
    mbms_flow_identifier: FlowId
    mbms_bearer_event: BearerEvent
    mbms_bearer_event_diagnostic_info: int | None = None
    userplane_protocol_result: tuple[UserplaneProtocolResult, ...] = ()
