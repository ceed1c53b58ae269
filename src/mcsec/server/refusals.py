"""Which answer a refused request gets: one table (TS 24.379 4.4, 7.3, 9.2; ``docs/readings/signalling.md``)."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.errors import DecodeError, LocalError, McsecError
from mcsec.store.database import StoreError
from mcsec.wire.mc_sip import McpttWarning


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, and the warning that goes with it."""

    status: int
    warning: McpttWarning | None = None


_W = McpttWarning
#: The longest prefix of an error's code decides.
TABLE: dict[str, Answer] = {
    "token.": Answer(403, _W.SERVICE_AUTHORISATION_FAILED),
    "server.not-authorised": Answer(403, _W.SERVICE_AUTHORISATION_FAILED),
    "server.user-revoked": Answer(403, _W.SERVICE_AUTHORISATION_FAILED),
    "server.impu-taken": Answer(403, _W.SERVICE_AUTHORISATION_FAILED),
    "server.unknown-user": Answer(404, _W.USER_UNKNOWN),
    "server.sender": Answer(403, _W.FUNCTION_NOT_ALLOWED),
    "server.not-in-group": Answer(403, _W.NOT_IN_GROUP),
    "server.not-affiliated": Answer(403, _W.NOT_AFFILIATED),
    "server.not-entitled": Answer(403, _W.NOT_AFFILIATED),
    "call.unknown-group": Answer(404, _W.NO_GROUP_DOCUMENT),
    "call.group-disabled": Answer(404, _W.GROUP_DISABLED),
    "call.not-a-member": Answer(403, _W.NOT_IN_GROUP),
    "call.not-affiliated": Answer(403, _W.NOT_AFFILIATED),
    "call.may-not-call": Answer(403, _W.MAY_NOT_CALL),
    "call.is-prearranged": Answer(404, _W.IS_PREARRANGED),
    "call.is-chat": Answer(404, _W.IS_CHAT),
    "call.peer": Answer(403, _W.FUNCTION_NOT_ALLOWED),
    "call.releasing": Answer(480),
    "call.unreachable": Answer(480),
    "call.media-clear": Answer(488),
    "call.sdp": Answer(488),
    "call.codec": Answer(488),
    "server.too-many-affiliations": Answer(486, _W.TOO_MANY_AFFILIATIONS),
    "server.unknown-bearer": Answer(404),
    "server.unknown-session": Answer(404),
    "server.event": Answer(489),
    "server.crowded": Answer(503),
    "server.method": Answer(405),
    "server.body": Answer(415),
    "mikey.": Answer(488, _W.MIKEY_FAILED),
    "mikey-body.": Answer(400),
    "keys.": Answer(488, _W.MIKEY_FAILED),
    "mc-body.unprotected": Answer(403, _W.INTEGRITY_FAILED),
    "signed-bodies.unsigned": Answer(403, _W.INTEGRITY_FAILED),
    "signed-bodies.signature": Answer(403, _W.INTEGRITY_FAILED),
    "signed-bodies.digest": Answer(403, _W.INTEGRITY_FAILED),
    "server.unknown-csk": Answer(403, _W.NOT_DECRYPTED),
    "xmlsec.": Answer(403, _W.NOT_DECRYPTED),
    "xenc.": Answer(403, _W.NOT_DECRYPTED),
}


def answer_to(error: McsecError) -> Answer:
    """What a request is answered that failed with ``error``."""
    if isinstance(error, StoreError):
        return Answer(503)
    if isinstance(error, LocalError):
        return Answer(500)
    prefixes = [prefix for prefix in TABLE if error.code.startswith(prefix)]
    if prefixes:
        return TABLE[max(prefixes, key=len)]
    return Answer(400 if isinstance(error, DecodeError) else 403)
