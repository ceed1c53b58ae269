"""Audio lines: what is announced is what calls are described with, and what an audio line of a phone looks like."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from mcsec.client.audio import pcmu
from mcsec.client.calls import session
from mcsec.errors import InvalidValue
from mcsec.ids import Tmgi
from mcsec.net.config import ConfigError
from mcsec.server import announcement
from mcsec.server.announcement import Bearer
from mcsec.server.config import Configuration
from mcsec.wire import multipart, sdp
from mcsec.wire.codecs import AMR_WB, KNOWN, PCMU, SPOKEN, Codec, audio_line
from mcsec.wire.sdp import Media
from mcsec.wire.sdp_mcptt import FloorParameters

BEARER = Bearer(Tmgi(0x00A0F1, "001", "01"), (1,), IPv4Address("239.192.9.1"), 42000)


def announced(*codecs: Codec) -> Media:
    """The audio line of an announcement as it is rendered for a user."""
    given = (codecs,) if codecs else ()
    made = announcement.template(BEARER, "a.example", "192.0.2.1", "b", *given)
    body = made.plain("sip:ann@a.example", b"message")
    (part,) = (part for part in multipart.decode(made.content_type, body) if part.essence == sdp.CONTENT_TYPE)
    return sdp.decode(part.content).line(2)


def test_a_bearer_is_announced_with_what_our_clients_call_with() -> None:
    described = session.describe(1, ("192.0.2.1", 4002), ("192.0.2.1", 4000), FloorParameters())
    line, called = announced(), described.line(1)
    assert line.kind == called.kind == "audio"
    assert line.formats == called.formats == tuple(codec.format for codec in SPOKEN)
    assert line.attributes == called.attributes
    assert (line.port, line.protocol, called.protocol) == (9, "RTP/AVP", "RTP/SAVP")


def test_what_our_clients_send_is_among_it() -> None:
    assert str(pcmu.PAYLOAD_TYPE) in announced().formats
    assert PCMU.rate * PCMU.frame == pcmu.FRAME * 1000


def test_an_operator_announces_what_its_phones_speak() -> None:
    line = announced(AMR_WB, PCMU)
    assert line.formats == ("97", "0")
    assert tuple(line.values("rtpmap")) == ("97 AMR-WB/16000", "0 PCMU/8000")
    assert tuple(line.values("ptime")) == ("20",)


def test_each_payload_type_is_one_codec() -> None:
    assert len({codec.payload_type for codec in KNOWN.values()}) == len(KNOWN)
    for wrong in ((), (PCMU, PCMU), (PCMU, Codec("other", 8000, 0))):
        with pytest.raises(InvalidValue):
            audio_line(wrong, "RTP/AVP", 9)


def test_which_they_are_stands_in_the_configuration(tmp_path: Path) -> None:
    def read(lines: str) -> tuple[Codec, ...]:
        file = tmp_path / "mcsec.toml"
        file.write_text(f'[domain]\nname = "a.example"\n[server]\nlisten = ["tcp:127.0.0.1:0"]\n{lines}\n')
        return Configuration.load(file).service().function.codecs

    assert read("") == SPOKEN
    assert read('codecs = ["AMR-WB", "PCMU"]') == (AMR_WB, PCMU)
    for wrong in ('codecs = ["opus"]', "codecs = []"):
        with pytest.raises(ConfigError, match="codecs"):
            read(wrong)
