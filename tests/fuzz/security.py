"""What carries keys and what keys protect: MIKEY, SRTP, the key log, records, and a client's own doors."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mcsec.client.engine import Carrier, ClientEngine, Party
from mcsec.client.media import MediaSender
from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.crypto.srtp import SrtcpReceiver, SrtcpSender, SrtpProfile, SrtpReceiver, SrtpSender
from mcsec.errors import DecodeError, InvalidValue, PeerError
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.keys import records, transport
from mcsec.keys.key import DEFAULT, Key, Maker, Scope, make
from mcsec.keys.kinds import Traffic
from mcsec.keys.provenance import Chain
from mcsec.mikey.build import Form, Initiator, Recipient
from mcsec.mikey.message import IMessage
from mcsec.mikey.open import Opened, open_message
from mcsec.mikey.parameters import KeyParameters
from mcsec.mikey.receiver import Receiver, Sender
from mcsec.mikey.replay import ReplayCache
from mcsec.net.keylog import HEADER, KeyLogEntry, Protects, parse_key_log
from mcsec.wire import rtcp
from mcsec.wire.rtcp.floor import FloorIdle, FloorTaken
from mcsec.wire.rtcp.subchannel import UnmapGroupToBearer
from mcsec.wire.rtp import RtpHeader

from .driver import Target

NOW = 1_795_435_200.0
GROUP = "sip:rescue@a.example"
TMGI = Tmgi(0x00A001, "001", "01")
VECTORS = Path(__file__).parents[2] / "vectors"

DOMAIN, MDSI = "a.example", "mcx.a.example"
MASTER = KmsMasterKeys.generate()
PUBLIC = MASTER.public("kms.a.example", 2_592_000)


def provision(uri: str) -> IdentityKeys:
    period = PUBLIC.period_at(NOW)
    material = MASTER.extract(PUBLIC.uid_in(uri, period))
    return IdentityKeys.validate(PUBLIC, uri, period, material.rsk, material.ssk, material.pvt)


USER, SERVER = provision("sip:user@a.example"), provision(MDSI)
SENDERS = [Sender(MDSI, PUBLIC.kms_uri, frozenset(PurposeTag))]
FORMS = (
    Form(),
    Form(cs_ids=(2, 6), with_policy=True, to_self=True),
    Form(hide_initiator=True, hide_responder=True),
)


def key(tag: PurposeTag, scope: Scope = DEFAULT, **times: float) -> Key:
    return make(tag, scope=scope, maker=Maker(DOMAIN, MDSI), now=NOW, **times)


KEYS = {
    PurposeTag.MUSIK: key(PurposeTag.MUSIK, Scope.of(GROUP), lifetime=86_400.0),
    PurposeTag.MSCCK: key(PurposeTag.MSCCK, Scope.of(str(TMGI))),
    PurposeTag.GMK: key(PurposeTag.GMK, Scope.of(GROUP)),
    PurposeTag.CSK: key(PurposeTag.CSK, Scope.of(USER.uri)),
}


def written(tag: PurposeTag, form: Form = FORMS[0], *, revoked: bool = False) -> bytes:
    recipients = [Recipient(USER.uri, PUBLIC)]
    initiator = Initiator(SERVER, PUBLIC)
    (message,) = transport.write(KEYS[tag], initiator, recipients, NOW, form=form, revoked=revoked)
    return message


def published(name: str) -> list[bytes]:
    cases = json.loads((VECTORS / name).read_text())["cases"]
    return [b64decode(case["message_base64"]) for case in cases if case["expect"] == "accept"]


OURS = [written(PurposeTag.MUSIK, form) for form in FORMS]
OURS += [written(tag) for tag in KEYS] + [written(PurposeTag.MUSIK, revoked=True)]
MESSAGES = OURS + published("mikey_open_selfmade.json") + published("mikey_open_streamwide.json")


def receiver(keys: IdentityKeys = USER) -> Receiver:
    return Receiver([keys], [PUBLIC], ReplayCache())


def opened(octets: bytes) -> Opened:
    """A new memory each time: what is sent again is no news to a fuzzer."""
    return open_message(octets, receiver(), SENDERS, NOW)


def signed_anew(octets: bytes) -> Key:
    """What a sender may do that has our trust and means ill: everything behind the signature is reached."""
    signed = octets[:-129]
    return transport.read(opened(signed + SERVER.signer.sign(signed)), DOMAIN, Scope.of(USER.uri))


def parameters_of_a_trusted_sender(octets: bytes) -> Key:
    return transport.read(replace(TEMPLATE, parameters=KeyParameters.decode(octets)), DOMAIN)


TEMPLATE = opened(OURS[0])
PARAMETERS = [
    KeyParameters(PurposeTag.MUSIK).encode(),
    KeyParameters(PurposeTag.MUSIK, activation=5, expiry=9, text="spare", groups=(GROUP, "sip:b@b")).encode(),
    KeyParameters(PurposeTag.GMK, groups=(GROUP,)).encode(),
    KeyParameters(PurposeTag.CSK, status=0, reserved=b"later").encode(),
]

# --- packets

FLOOR_SSRC = 0x11223344


def srtcp_sender(under: Key, profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM) -> SrtcpSender:
    return SrtcpSender(profile, FLOOR_SSRC, *under.srtp_material(profile=profile), first=1, last=1 << 20)


def srtcp_packets(profile: SrtpProfile) -> list[bytes]:
    sender = srtcp_sender(KEYS[PurposeTag.MUSIK], profile)
    messages = (
        FloorTaken(ssrc=FLOOR_SSRC, permission=True, sequence_number=1, granted_party=USER.uri),
        FloorIdle(ssrc=FLOOR_SSRC, sequence_number=2),
    )
    return [sender.protect(rtcp.encode(message)).octets for message in messages]


def media_packet() -> bytes:
    return MediaSender(KEYS[PurposeTag.GMK], USER.uri, 0).packet(bytes(20), 0)[1].octets


def rtp_packets(profile: SrtpProfile, *, carry_roc: bool = False) -> list[bytes]:
    material = KEYS[PurposeTag.MUSIK].srtp_material(profile=profile)
    sender = SrtpSender(profile, FLOOR_SSRC, *material, first=0, last=1 << 20, carry_roc=carry_roc)
    header = RtpHeader(payload_type=0, sequence=0, timestamp=0, ssrc=FLOOR_SSRC)
    return [
        sender.protect(replace(header, sequence=number).encode() + bytes(20)).octets for number in range(3)
    ]


def srtcp(profile: SrtpProfile) -> Target:
    def unprotect(octets: bytes) -> object:
        context = SrtcpReceiver(profile, accept_unencrypted=True)
        context.add_key(*KEYS[PurposeTag.MUSIK].srtp_material(profile=profile))
        return context.unprotect(octets)

    return Target(f"srtcp.{profile}", unprotect, srtcp_packets(profile))


def srtp(profile: SrtpProfile, *, carry_roc: bool = False) -> Target:
    def unprotect(octets: bytes) -> object:
        context = SrtpReceiver(profile, carry_roc=carry_roc)
        context.add_key(*KEYS[PurposeTag.MUSIK].srtp_material(profile=profile))
        return context.unprotect(octets)

    name = f"srtp.{profile}" + (".roc" if carry_roc else "")
    return Target(name, unprotect, rtp_packets(profile, carry_roc=carry_roc))


# --- a client's doors: packets never raise; key messages raise PeerError only


def client(*, with_keys: bool = True) -> ClientEngine:
    """A client of its own for each run, so that nothing is a replay."""
    made = ClientEngine([USER], [PUBLIC], Party(MDSI, PUBLIC.kms_uri, DOMAIN))
    for held in KEYS.values() if with_keys else ():
        made.keyring.install(held, signer=MDSI, now=NOW)
    return made


def door(traffic: Traffic, name: str, seeds: list[bytes]) -> Target:
    """A client's socket."""

    def take(octets: bytes) -> object:
        if traffic is Traffic.GROUP_MEDIA:
            return never(client().media_packet, octets, name, NOW)
        return never(client().control_packet, octets, traffic, name, NOW)

    return Target(f"client.{traffic.name.lower().replace('_', '-')}", take, seeds)


def insider(octets: bytes) -> object:
    """Messages of somebody who has the key: whatever they say, a client drops what it must not obey."""
    sender = srtcp_sender(KEYS[PurposeTag.MUSIK])
    try:
        packet = sender.protect(octets[:4] + FLOOR_SSRC.to_bytes(4) + octets[8:]).octets
    except InvalidValue:
        raise DecodeError("no RTCP packet, so there is nothing to protect") from None
    return never(client().control_packet, packet, Traffic.MBMS_FLOOR, GROUP, NOW)


def key_message(octets: bytes) -> object:
    """A download whose sender has our trust."""
    signed = octets[:-129]
    return client().key_message(signed + SERVER.signer.sign(signed), Carrier.KEY_DOWNLOAD, NOW)


def never(call: Callable[..., object], *arguments: object) -> object:
    """Fails for a typed error too, where nothing at all may be raised."""
    try:
        return call(*arguments)
    except PeerError as error:
        raise AssertionError(f"raised {error!r}") from error


# --- text


def text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def key_log() -> bytes:
    material = KEYS[PurposeTag.MUSIK].srtp_material()
    entry = KeyLogEntry(Protects.SRTCP, material.mki, SrtpProfile.AEAD_AES_128_GCM, *material[1:])
    return f"{HEADER}\n# why\n\n{entry.encode()}\n{entry.encode()}\n".encode()


def record() -> bytes:
    chain = Chain(DOMAIN)
    musik = KEYS[PurposeTag.MUSIK]
    return records.encode(chain.append(records.Happening.MADE, musik, now=NOW, signer=MDSI)).encode()


GCM, CM = SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AES_CM_128_HMAC_SHA1_80
IDLE = rtcp.encode(FloorIdle(ssrc=FLOOR_SSRC, sequence_number=2))
UNMAP = UnmapGroupToBearer(ssrc=FLOOR_SSRC, group_id=GROUP)

TARGETS = (
    Target("ids.key-id", KeyId.decode, [held.key_id.encode() for held in KEYS.values()]),
    Target("ids.tmgi", Tmgi.decode, [TMGI.encode(), Tmgi(1, "310", "260").encode()]),
    Target("mikey.message", IMessage.decode, MESSAGES),
    Target("mikey.open", opened, OURS),
    Target("mikey.parameters", KeyParameters.decode, PARAMETERS),
    Target("keys.transport", parameters_of_a_trusted_sender, PARAMETERS),
    Target("keys.transport.signed-anew", signed_anew, OURS),
    Target("keys.record", lambda octets: records.decode(text(octets)), [record()]),
    Target("net.keylog", lambda octets: parse_key_log(text(octets)), [key_log()]),
    srtcp(GCM),
    srtcp(CM),
    srtp(GCM),
    srtp(CM),
    srtp(GCM, carry_roc=True),
    Target("client.key-message", key_message, OURS),
    Target("client.insider", insider, [IDLE, IDLE + IDLE, rtcp.encode(UNMAP)]),
    door(Traffic.MBMS_FLOOR, GROUP, srtcp_packets(GCM)),
    door(
        Traffic.SUBCHANNEL_CONTROL,
        str(TMGI),
        [srtcp_sender(KEYS[PurposeTag.MSCCK]).protect(rtcp.encode(UNMAP)).octets],
    ),
    door(Traffic.GROUP_MEDIA, GROUP, [media_packet()]),
)
