"""The dictionary: every AVP and command this house knows, as data.

Members of groups and commands are written in the notation of RFC 6733 3.2: ``<X>`` stands first, ``{X}``
once, ``[X]`` at most once, ``*[X]`` any number, ``1*{X}`` at least one, ``0*2[X]`` at most two. ``*[AVP]`` is
understood everywhere and not written. A name is a key only inside this table: 3GPP uses some names twice
under other codes.

Sources: RFC 6733 4.5, RFC 7944, RFC 8583; TS 29.468 6.4, TS 29.061 17.7 and 20.5a, TS 29.212 5.3, TS 29.229
6.3.
"""

from __future__ import annotations

from mcsec.wire.diameter.datatypes import (
    ADDRESS,
    DIAMETER_IDENTITY,
    DIAMETER_URI,
    ENUMERATED,
    FLOAT32,
    GROUPED,
    IP_FILTER_RULE,
    OCTET_STRING,
    TIME,
    UNSIGNED32,
    UNSIGNED64,
    UTF8_STRING,
    octet_string,
)
from mcsec.wire.diameter.dictionary import AvpDefinition, CommandDefinition, Dictionary, MBit

IETF = 0
TGPP = 10415

BASE = 0
MB2C = 16777335
RELAY = 0xFFFFFFFF

# Real dictionaries disagree on the M bit of the rows with _SENT and _CLEAR.
_M, _NO, _SENT, _CLEAR = MBit.MUST, MBit.MUST_NOT, MBit.SENT, MBit.CLEAR

# fmt: off
_BASE_AVPS = (
    AvpDefinition(33, IETF, "Proxy-State", OCTET_STRING, _M),
    AvpDefinition(257, IETF, "Host-IP-Address", ADDRESS, _M),
    AvpDefinition(258, IETF, "Auth-Application-Id", UNSIGNED32, _M),
    AvpDefinition(259, IETF, "Acct-Application-Id", UNSIGNED32, _M),
    AvpDefinition(260, IETF, "Vendor-Specific-Application-Id", GROUPED, _M,
                  "{Vendor-Id} [Auth-Application-Id] [Acct-Application-Id]"),
    AvpDefinition(261, IETF, "Redirect-Host-Usage", ENUMERATED, _M),
    AvpDefinition(262, IETF, "Redirect-Max-Cache-Time", UNSIGNED32, _M),
    AvpDefinition(263, IETF, "Session-Id", UTF8_STRING, _M),
    AvpDefinition(264, IETF, "Origin-Host", DIAMETER_IDENTITY, _M),
    AvpDefinition(265, IETF, "Supported-Vendor-Id", UNSIGNED32, _M),
    AvpDefinition(266, IETF, "Vendor-Id", UNSIGNED32, _M),
    AvpDefinition(267, IETF, "Firmware-Revision", UNSIGNED32, _CLEAR),
    AvpDefinition(268, IETF, "Result-Code", UNSIGNED32, _M),
    AvpDefinition(269, IETF, "Product-Name", UTF8_STRING, _CLEAR),
    AvpDefinition(273, IETF, "Disconnect-Cause", ENUMERATED, _M),
    AvpDefinition(277, IETF, "Auth-Session-State", ENUMERATED, _M),
    AvpDefinition(278, IETF, "Origin-State-Id", UNSIGNED32, _M),
    AvpDefinition(279, IETF, "Failed-AVP", GROUPED, _M),
    AvpDefinition(280, IETF, "Proxy-Host", DIAMETER_IDENTITY, _M),
    AvpDefinition(281, IETF, "Error-Message", UTF8_STRING, _CLEAR),
    AvpDefinition(282, IETF, "Route-Record", DIAMETER_IDENTITY, _M),
    AvpDefinition(283, IETF, "Destination-Realm", DIAMETER_IDENTITY, _M),
    AvpDefinition(284, IETF, "Proxy-Info", GROUPED, _M, "{Proxy-Host} {Proxy-State}"),
    AvpDefinition(292, IETF, "Redirect-Host", DIAMETER_URI, _M),
    AvpDefinition(293, IETF, "Destination-Host", DIAMETER_IDENTITY, _M),
    AvpDefinition(294, IETF, "Error-Reporting-Host", DIAMETER_IDENTITY, _CLEAR),
    AvpDefinition(296, IETF, "Origin-Realm", DIAMETER_IDENTITY, _M),
    AvpDefinition(297, IETF, "Experimental-Result", GROUPED, _M, "{Vendor-Id} {Experimental-Result-Code}"),
    AvpDefinition(298, IETF, "Experimental-Result-Code", UNSIGNED32, _M),
    AvpDefinition(299, IETF, "Inband-Security-Id", UNSIGNED32, _M),
    AvpDefinition(301, IETF, "DRMP", ENUMERATED, _CLEAR),
    AvpDefinition(649, IETF, "SourceID", DIAMETER_IDENTITY, _CLEAR),
    AvpDefinition(650, IETF, "Load", GROUPED, _CLEAR, "[Load-Type] [Load-Value] [SourceID]"),
    AvpDefinition(651, IETF, "Load-Type", ENUMERATED, _CLEAR),
    AvpDefinition(652, IETF, "Load-Value", UNSIGNED64, _CLEAR),
)

_REUSED_AVPS = (
    AvpDefinition(507, TGPP, "Flow-Description", IP_FILTER_RULE, _M),
    AvpDefinition(515, TGPP, "Max-Requested-Bandwidth-DL", UNSIGNED32, _M),
    AvpDefinition(516, TGPP, "Max-Requested-Bandwidth-UL", UNSIGNED32, _M),
    AvpDefinition(628, TGPP, "Supported-Features", GROUPED, _CLEAR,
                  "{Vendor-Id} {Feature-List-ID} {Feature-List}"),
    AvpDefinition(629, TGPP, "Feature-List-ID", UNSIGNED32, _CLEAR),
    AvpDefinition(630, TGPP, "Feature-List", UNSIGNED32, _CLEAR),
    AvpDefinition(900, TGPP, "TMGI", octet_string(6), _M),
    AvpDefinition(902, TGPP, "MBMS-StartStop-Indication", ENUMERATED, _M),
    AvpDefinition(903, TGPP, "MBMS-Service-Area", OCTET_STRING, _M),
    AvpDefinition(904, TGPP, "MBMS-Session-Duration", octet_string(3), _M),
    AvpDefinition(920, TGPP, "MBMS-Flow-Identifier", octet_string(2), _SENT),
    AvpDefinition(932, TGPP, "Restart-Counter", UNSIGNED32, _CLEAR),
    AvpDefinition(934, TGPP, "MBMS-Cell-List", OCTET_STRING, _CLEAR),
    AvpDefinition(1016, TGPP, "QoS-Information", GROUPED, _M,
                  "[QoS-Class-Identifier] [Max-Requested-Bandwidth-UL] [Max-Requested-Bandwidth-DL]"
                  " [Guaranteed-Bitrate-UL] [Guaranteed-Bitrate-DL] [Allocation-Retention-Priority]"),
    AvpDefinition(1025, TGPP, "Guaranteed-Bitrate-DL", UNSIGNED32, _M),
    AvpDefinition(1026, TGPP, "Guaranteed-Bitrate-UL", UNSIGNED32, _M),
    AvpDefinition(1028, TGPP, "QoS-Class-Identifier", ENUMERATED, _M),
    AvpDefinition(1034, TGPP, "Allocation-Retention-Priority", GROUPED, _CLEAR,
                  "{Priority-Level} [Pre-emption-Capability] [Pre-emption-Vulnerability]"),
    AvpDefinition(1046, TGPP, "Priority-Level", UNSIGNED32, _CLEAR),
    AvpDefinition(1047, TGPP, "Pre-emption-Capability", ENUMERATED, _CLEAR),
    AvpDefinition(1048, TGPP, "Pre-emption-Vulnerability", ENUMERATED, _CLEAR),
)

_MB2C_AVPS = (
    AvpDefinition(3500, TGPP, "BMSC-Address", ADDRESS, _M),
    AvpDefinition(3501, TGPP, "BMSC-Port", UNSIGNED32, _M),
    AvpDefinition(3502, TGPP, "MBMS-Bearer-Event", UNSIGNED32, _M),
    AvpDefinition(3503, TGPP, "MBMS-Bearer-Event-Notification", GROUPED, _M,
                  "{TMGI} {MBMS-Flow-Identifier} {MBMS-Bearer-Event} [MBMS-Bearer-Event-Diagnostic-Info]"
                  " *[Userplane-Protocol-Result]"),
    AvpDefinition(3504, TGPP, "MBMS-Bearer-Request", GROUPED, _M,
                  "{MBMS-StartStop-Indication} [TMGI] [MBMS-Flow-Identifier] [QoS-Information]"
                  " [MBMS-Service-Area] [MBMS-Start-Time] [MB2U-Security] [MBMS-Cell-List]"
                  " [Local-M1-Information] [Local-MB2-U-Information] [FEC-Request] *[ROHC-Request]"
                  " [ROHC-Max-CID]"),
    AvpDefinition(3505, TGPP, "MBMS-Bearer-Response", GROUPED, _M,
                  "[TMGI] [MBMS-Flow-Identifier] [MBMS-Session-Duration] [MBMS-Bearer-Result]"
                  " 0*2[BMSC-Address] [BMSC-Port] [MB2U-Security] *[Radio-Frequency]"
                  " *[Userplane-Protocol-Result]"),
    AvpDefinition(3506, TGPP, "MBMS-Bearer-Result", UNSIGNED32, _M),
    AvpDefinition(3507, TGPP, "MBMS-Start-Time", TIME, _M),
    AvpDefinition(3508, TGPP, "Radio-Frequency", UNSIGNED32, _M),
    AvpDefinition(3509, TGPP, "TMGI-Allocation-Request", GROUPED, _M, "{TMGI-Number} *[TMGI]"),
    AvpDefinition(3510, TGPP, "TMGI-Allocation-Response", GROUPED, _M,
                  "*[TMGI] [MBMS-Session-Duration] [TMGI-Allocation-Result]"),
    AvpDefinition(3511, TGPP, "TMGI-Allocation-Result", UNSIGNED32, _M),
    AvpDefinition(3512, TGPP, "TMGI-Deallocation-Request", GROUPED, _M, "*[TMGI]"),
    AvpDefinition(3513, TGPP, "TMGI-Deallocation-Response", GROUPED, _M,
                  "{TMGI} [TMGI-Deallocation-Result]"),
    AvpDefinition(3514, TGPP, "TMGI-Deallocation-Result", UNSIGNED32, _M),
    AvpDefinition(3515, TGPP, "TMGI-Expiry", GROUPED, _M, "1*{TMGI}"),
    AvpDefinition(3516, TGPP, "TMGI-Number", UNSIGNED32, _M),
    AvpDefinition(3517, TGPP, "MB2U-Security", UNSIGNED32, _M),
    AvpDefinition(3518, TGPP, "Local-M1-Information", GROUPED, _NO,
                  "[MBMS-eNB-IP-Multicast-Address] [MBMS-eNB-IPv6-Multicast-Address]"
                  " [MBMS-GW-SSM-IP-Address] [MBMS-GW-SSM-IPv6-Address] [Common-Tunnel-Endpoint-Identifier]"),
    AvpDefinition(3519, TGPP, "Local-MB2-U-Information", GROUPED, _NO, "0*2[BMSC-Address] [BMSC-Port]"),
    AvpDefinition(3520, TGPP, "MBMS-eNB-IP-Multicast-Address", ADDRESS, _NO),
    AvpDefinition(3521, TGPP, "MBMS-eNB-IPv6-Multicast-Address", ADDRESS, _NO),
    AvpDefinition(3522, TGPP, "MBMS-GW-SSM-IP-Address", ADDRESS, _NO),
    AvpDefinition(3523, TGPP, "MBMS-GW-SSM-IPv6-Address", ADDRESS, _NO),
    AvpDefinition(3524, TGPP, "Common-Tunnel-Endpoint-Identifier", OCTET_STRING, _NO),
    AvpDefinition(3525, TGPP, "FEC-Request", OCTET_STRING, _NO),
    AvpDefinition(3526, TGPP, "ROHC-Request", GROUPED, _NO,
                  "1*{Flow-Description} [ROHC-Full-Header-Periodicity] {ROHC-Profile}"),
    AvpDefinition(3527, TGPP, "ROHC-Full-Header-Periodicity", FLOAT32, _NO),
    AvpDefinition(3528, TGPP, "ROHC-Profile", UNSIGNED32, _NO),
    AvpDefinition(3529, TGPP, "Userplane-Protocol-Result", GROUPED, _NO,
                  "*[Flow-Description] [ROHC-Result] [FEC-Result]"),
    AvpDefinition(3530, TGPP, "ROHC-Result", UNSIGNED32, _NO),
    AvpDefinition(3531, TGPP, "FEC-Result", UNSIGNED32, _NO),
    AvpDefinition(3532, TGPP, "ROHC-Max-CID", UNSIGNED32, _NO),
    AvpDefinition(3533, TGPP, "MBMS-Bearer-Event-Diagnostic-Info", ENUMERATED, _NO),
)

_REDIRECT = " *[Redirect-Host] [Redirect-Host-Usage] [Redirect-Max-Cache-Time]"
_RESULT = " [Error-Message] [Error-Reporting-Host] [Failed-AVP]"
_CAPABILITIES = (
    " {Origin-Host} {Origin-Realm} 1*{Host-IP-Address} {Vendor-Id} {Product-Name} [Origin-State-Id]"
    " *[Supported-Vendor-Id] *[Auth-Application-Id] *[Inband-Security-Id] *[Acct-Application-Id]"
    " *[Vendor-Specific-Application-Id] [Firmware-Revision]"
)
_SESSION = "<Session-Id> [DRMP] {Auth-Application-Id} {Auth-Session-State}"
_SESSION_RESULT = (
    f" [Result-Code] [Experimental-Result] {{Origin-Host}} {{Origin-Realm}}{_RESULT}"
    f" [Origin-State-Id]{_REDIRECT}"
)
_COMMANDS = (
    CommandDefinition("CER", 257, BASE, True, False, _CAPABILITIES),
    CommandDefinition("CEA", 257, BASE, False, False, "{Result-Code}" + _CAPABILITIES + _RESULT),
    CommandDefinition("DWR", 280, BASE, True, False, "{Origin-Host} {Origin-Realm} [Origin-State-Id]"),
    CommandDefinition("DWA", 280, BASE, False, False,
                      "{Result-Code} {Origin-Host} {Origin-Realm}" + _RESULT + " [Origin-State-Id]"),
    CommandDefinition("DPR", 282, BASE, True, False, "{Origin-Host} {Origin-Realm} {Disconnect-Cause}"),
    CommandDefinition("DPA", 282, BASE, False, False, "{Result-Code} {Origin-Host} {Origin-Realm}" + _RESULT),
    # RFC 6733 7.2; it answers any command. Result-Code is optional here because failures without the E bit
    # are read by this grammar too, and may carry Experimental-Result instead.
    CommandDefinition("answer-message", 0, BASE, False, False,
                      "[Session-Id] {Origin-Host} {Origin-Realm} [Result-Code] [Experimental-Result]"
                      " [Origin-State-Id]" + _RESULT + " *[Proxy-Info]" + _REDIRECT, any_avp=True),
    CommandDefinition("GAR", 8388662, MB2C, True, True,
                      _SESSION + " {Origin-Host} {Origin-Realm} {Destination-Realm} [Destination-Host]"
                      " [Origin-State-Id] *[Proxy-Info] *[Route-Record] *[Supported-Features]"
                      " [TMGI-Allocation-Request] [TMGI-Deallocation-Request] *[MBMS-Bearer-Request]"
                      " [Restart-Counter]"),
    CommandDefinition("GAA", 8388662, MB2C, False, True,
                      _SESSION + _SESSION_RESULT + " *[Proxy-Info] *[Supported-Features]"
                      " [TMGI-Allocation-Response] *[TMGI-Deallocation-Response] *[MBMS-Bearer-Response]"
                      " [Restart-Counter] *[Load]"),
    CommandDefinition("GNR", 8388663, MB2C, True, True,
                      _SESSION + " {Origin-Host} {Origin-Realm} {Destination-Realm} {Destination-Host}"
                      " [Origin-State-Id] *[Proxy-Info] *[Route-Record] [TMGI-Expiry]"
                      " *[MBMS-Bearer-Event-Notification] [Restart-Counter]"),
    CommandDefinition("GNA", 8388663, MB2C, False, True,
                      _SESSION + _SESSION_RESULT + " *[Proxy-Info] [Restart-Counter]"),
)
# fmt: on

DICTIONARY = Dictionary((*_BASE_AVPS, *_REUSED_AVPS, *_MB2C_AVPS), _COMMANDS)
