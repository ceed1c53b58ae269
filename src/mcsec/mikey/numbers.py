"""Numbers on the wire of a MIKEY-SAKKE I_MESSAGE, with the names that the specifications give them."""

from __future__ import annotations

from enum import IntEnum

from mcsec.ids import PurposeTag

#: Version of MIKEY (RFC 3830 6.1).
VERSION = 1
#: Data type of a SAKKE I_MESSAGE (RFC 6509 4.2).
DATA_TYPE_SAKKE = 26
#: PRF-HMAC-SHA-256 (RFC 6043 6.1; TS 33.180 E.1.2).
PRF_HMAC_SHA_256 = 1
#: T in NTP-UTC (RFC 3830 6.6).
TIMESTAMP_NTP_UTC = 0
#: Protocol type SRTP in SP payloads and CS ID maps (RFC 3830 6.10).
PROTOCOL_SRTP = 0
#: SAKKE parameter set 1 (RFC 6509 appendix A).
SAKKE_PARAMETERS_1 = 1
#: Identifier scheme "3GPP MCX hashed UID" (TS 33.180 E.5).
SCHEME_3GPP_HASHED_UID = 2
#: Signature type ECCSI (RFC 6509 4.2).
SIGNATURE_ECCSI = 2
#: Octets of each key of TS 33.180 E.1.1, and of RAND in every message seen.
KEY_OCTETS = 16
RAND_OCTETS = 16


class PayloadType(IntEnum):
    """Next-payload values (RFC 3830 6.1, RFC 6043 6.6, RFC 6509 4.2)."""

    LAST = 0
    SIGN = 4
    T = 5
    SP = 10
    RAND = 11
    IDR = 14
    GENERAL_EXTENSION = 21
    SAKKE = 26


class IdRole(IntEnum):
    """Whose identity an IDR payload holds (RFC 6043 6.6, RFC 6509 4.4; TS 33.180 E.7 for the UID roles)."""

    INITIATOR = 1
    RESPONDER = 2
    INITIATOR_KMS = 6
    RESPONDER_KMS = 7
    INITIATOR_UID = 8
    RESPONDER_UID = 9

    @property
    def is_uid(self) -> bool:
        """The data is a UID, not a URI (identity hiding)."""
        return self in (IdRole.INITIATOR_UID, IdRole.RESPONDER_UID)

    @property
    def label(self) -> str:
        """The payload's name in the specifications."""
        return _ROLE_LABELS[self]


_ROLE_LABELS = {
    IdRole.INITIATOR: "IDRi",
    IdRole.RESPONDER: "IDRr",
    IdRole.INITIATOR_KMS: "IDRkmsi",
    IdRole.RESPONDER_KMS: "IDRkmsr",
    IdRole.INITIATOR_UID: "IDRuidi",
    IdRole.RESPONDER_UID: "IDRuidr",
}


class IdType(IntEnum):
    """How an IDR payload's data is written (RFC 3830 6.7, RFC 6043 6.6). UIDs travel as URI too."""

    NAI = 0
    URI = 1
    BYTE_STRING = 2


class MapType(IntEnum):
    """CS ID map types (RFC 3830 6.1.1, RFC 6043 6.1)."""

    SRTP_ID = 0
    EMPTY = 1
    GENERIC_ID = 2


class ExtensionType(IntEnum):
    """General extensions of TS 33.180 annex E."""

    SAKKE_TO_SELF = 6
    KEY_PARAMETERS = 7


class CsId(IntEnum):
    """What a crypto session is for (TS 33.180 table E.1.3-1)."""

    MCPTT_PRIVATE_INITIATOR = 0
    MCPTT_PRIVATE_RECEIVER = 1
    MCVIDEO_PRIVATE_INITIATOR = 2
    MCVIDEO_PRIVATE_RECEIVER = 3
    MCPTT_GROUP = 4
    MCVIDEO_GROUP = 5
    CSK_MCPTT = 6
    MUSIK_MCPTT = 7
    CSK_MCVIDEO = 8
    MUSIK_MCVIDEO = 9


#: The crypto session of a key in an MCPTT service. SPK, MKFC and MSCCK have none of their own: the value of
#: Release 13 stands in for it.
MCPTT_CS_ID = {
    PurposeTag.GMK: CsId.MCPTT_GROUP,
    PurposeTag.PCK: CsId.MCPTT_PRIVATE_INITIATOR,
    PurposeTag.CSK: CsId.CSK_MCPTT,
    PurposeTag.SPK: CsId.MCPTT_PRIVATE_INITIATOR,
    PurposeTag.MKFC: CsId.MCPTT_PRIVATE_INITIATOR,
    PurposeTag.MSCCK: CsId.MCPTT_PRIVATE_INITIATOR,
    PurposeTag.MUSIK: CsId.MUSIK_MCPTT,
}
