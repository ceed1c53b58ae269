"""How a client answers a MESSAGE or INVITE that it does not take: one table (TS 24.379 4.4, 7.2.5; readings)."""

from __future__ import annotations

from dataclasses import dataclass

from mcsec.errors import DecodeError, PeerError
from mcsec.wire.mc_sip import McpttWarning, Warned

_W = McpttWarning


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, the warning that goes with it, and whether the answer says which bodies are understood."""

    status: int
    warning: McpttWarning | Warned | None = None
    accept: bool = False

    def warning_header(self, host: str) -> tuple[str, str] | None:
        """The Warning header; ``host`` is who warns."""
        return None if self.warning is None else self.warning.header(host)


#: By the code of the error, or the start of it; the longest that fits counts.
ANSWERS: dict[str, Answer] = {
    "client.not-mcptt": Answer(488),
    "client.not-our-server": Answer(403, _W.FUNCTION_NOT_ALLOWED),
    "client.not-our-gms": Answer(403, _W.FUNCTION_NOT_ALLOWED),
    "client.not-its-group": Answer(488, _W.MIKEY_FAILED),
    "client.not-us": Answer(404),
    "client.logged-off": Answer(480),
    "client.not-understood": Answer(415, accept=True),
    "client.ambiguous": Answer(400),
    "client.no-description": Answer(488, Warned(None, "the bearer was never described")),
    "client.not-multicast": Answer(488, Warned(None, "the subchannel has no multicast address")),
    "client.too-many-bearers": Answer(488, Warned(None, "too many bearers are announced")),
    "client.no-such-carrier": Answer(488, _W.MIKEY_FAILED),
    "call.not-affiliated": Answer(403, _W.NOT_AFFILIATED),
    "call.busy": Answer(486),
    "call.manual": Answer(480),
    "call.ssrc": Answer(488, Warned(None, "the SSRC of floor control is taken")),
    "call.media-clear": Answer(488, Warned(None, "media must be protected")),
    "call.": Answer(488),
    "mikey.": Answer(488, _W.MIKEY_FAILED),
    "sdp.key-mgmt": Answer(488, _W.MIKEY_FAILED),
    "keys.": Answer(488, Warned(None, "the key was not taken")),
    "mc-body.unprotected": Answer(403, _W.INTEGRITY_FAILED),
    "signed-bodies.unsigned": Answer(403, _W.INTEGRITY_FAILED),
    "signed-bodies.signature": Answer(403, _W.INTEGRITY_FAILED),
    "signed-bodies.digest": Answer(403, _W.INTEGRITY_FAILED),
    "xmlsec.": Answer(403, _W.NOT_DECRYPTED),
    "xenc.": Answer(403, _W.NOT_DECRYPTED),
}


def answer_to(error: PeerError) -> Answer:
    """What a request is answered that was refused with ``error``."""
    fitting = [start for start in ANSWERS if error.code.startswith(start)]
    if fitting:
        return ANSWERS[max(fitting, key=len)]
    return Answer(400 if isinstance(error, DecodeError) else 403)
