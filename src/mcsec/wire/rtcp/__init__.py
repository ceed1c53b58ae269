"""RTCP APP messages of the MCPTT media plane (TS 24.380 clause 8): floor, MBMS subchannel and session call
control.

:func:`decode` and :func:`encode` work on messages in clear; :mod:`mcsec.crypto` protects them. Read
    :mod:`.app` (the
packet), :mod:`.fields` (the fields inside), :mod:`.table` (what a message is), then :mod:`.floor`,
:mod:`.subchannel` and :mod:`.preestablished`.
"""

from mcsec.wire.rtcp.codec import check_multicast, decode, encode, row_of
from mcsec.wire.rtcp.profile import LEGACY, LENIENT, STRICT, Profile, Release
from mcsec.wire.rtcp.table import Message

__all__ = [
    "LEGACY",
    "LENIENT",
    "STRICT",
    "Message",
    "Profile",
    "Release",
    "check_multicast",
    "decode",
    "encode",
    "row_of",
]
