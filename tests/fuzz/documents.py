"""What SIP and HTTP carry: XML of every kind, XML security, session descriptions, multipart bodies, MIKEY bodies."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from ipaddress import IPv4Address

from lxml import etree

from mcsec.crypto.secret import Secret
from mcsec.errors import UnknownKey
from mcsec.ids import KeyId, PurposeTag, Tmgi
from mcsec.wire import (
    affiliation,
    dsig,
    gktp,
    groups,
    mbms_usage,
    mcptt_info,
    mikey_body,
    multipart,
    resource_lists,
    sdp,
    sdp_mcptt,
    signed_bodies,
    xcap,
    xenc,
    xml,
    xmlsec,
)
from mcsec.wire.kms import decode as kms
from mcsec.wire.kms import encode as kms_encode
from mcsec.wire.kms import model
from mcsec.wire.mb2.values import ServiceArea
from mcsec.wire.multipart import Part

from .driver import Target
from .security import KEYS, OURS, text, written

TIME = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEK, KEY_NAME = Secret(bytes(range(32))), "ink.1.sip:user@a.example"
TMGI = Tmgi(0x010203, "262", "01")
ALICE, GROUP = "sip:alice@a.example", "sip:rescue@a.example"


def keys(name: str) -> Secret:
    if name != KEY_NAME:
        raise UnknownKey("no such key")
    return KEK


def signed() -> bytes:
    root = etree.fromstring('<Signed xmlns="urn:example"><Order Id="o"><Do>go</Do></Order></Signed>')
    root.append(dsig.sign(root[0], KEK, KEY_NAME))
    return xml.serialise(root)


CERTIFICATE = model.Certificate(
    model.Role.ROOT,
    "kms.a.example",
    2_592_000,
    0,
    bytes(257),
    bytes(65),
    issuer="A & B",
    valid_from=TIME,
    domains=("a.example",),
)
SEALED = model.SealedContent(xenc.seal_key(KEK, KEK, KEY_NAME))
KEY_SET = model.KeySet(
    "kms.a.example", ALICE, bytes(32), 52, model.ClearContent(KEK), SEALED, SEALED, valid_from=TIME
)
CONTENTS = (
    model.Init(CERTIFICATE, model.NewKeys((SEALED,), (SEALED,))),
    model.KeyProv((KEY_SET,)),
    model.CertCache(7, (CERTIFICATE,)),
)
RESPONSES = [
    xml.serialise(
        kms_encode.encode_response(model.KmsResponse(ALICE, "kms.a.example", TIME, "https://kms/", content))
    )
    for content in CONTENTS
]
REQUEST = xml.serialise(
    kms_encode.encode_request(model.KmsRequest(ALICE, "kms.a.example", TIME, "https://kms/", "c1"))
)
GKTPS = gktp.GktpSet(
    (gktp.Gktp("1", b"\x01\x1a", TIME),), (gktp.RegroupedGktps(GROUP, (gktp.Gktp("2", b"\x01"),)),)
)
INFO = mcptt_info.McpttInfo(
    access_token=Secret(b"token"),
    session_type="prearranged",
    request_uri=GROUP,
    calling_user_id=mcptt_info.Encrypted(xenc.seal_octets(b"x", KEK, KEY_NAME)),
    emergency_ind=True,
    mkfc_gktps=GKTPS,
)
USAGE = mbms_usage.MbmsUsage(
    announcements=(
        mbms_usage.Announcement(tmgi=TMGI, qci=65, service_area=ServiceArea((1, 2)), gpms=1, rohc_max_cid=15),
    ),
    listening=mbms_usage.Listening(listening=True, tmgis=(TMGI,), general_purpose=True),
    suspension=mbms_usage.Suspension(suspended=True, reported_bearers=1, suspended_tmgis=(TMGI,)),
    musik_groups=(GROUP,),
)
PRESENCE = affiliation.Presence(
    ALICE,
    (
        affiliation.ClientAffiliations(
            "c1", (affiliation.Affiliation(GROUP, affiliation.Status.AFFILIATED, TIME),)
        ),
    ),
    "7",
)
FLOOR = sdp_mcptt.FloorParameters(queueing=True, priority=5, implicit_request=True, ssrc=9)
AUDIO = sdp.Media("audio", 40000, "RTP/SAVP", ("97",), (sdp.Attribute("rtpmap", "97 AMR-WB/16000"),))
ANNOUNCED_KEY = written(PurposeTag.MSCCK)
ANNOUNCED = sdp_mcptt.announcement(
    "- 1 1 IN IP4 192.0.2.1", sdp_mcptt.GeneralPurpose(IPv4Address("239.1.2.3"), 40010, ANNOUNCED_KEY), AUDIO
)
OFFER = sdp.Session(
    "- 1 1 IN IP4 192.0.2.1",
    connection=sdp.Connection(IPv4Address("192.0.2.1")),
    media=(AUDIO, sdp_mcptt.floor_line(40002, FLOOR)),
)
BODY_TYPE, BODY = multipart.encode(
    [mikey_body.encode(OURS[0]), Part(resource_lists.CONTENT_TYPE, resource_lists.encode([ALICE]))]
)


XPK = xmlsec.XmlKeys.derive(KEYS[PurposeTag.CSK].secret, KEYS[PurposeTag.CSK].key_id, ALICE)
CONFIDENTIAL = xmlsec.encrypt(dataclasses.replace(INFO, calling_user_id=ALICE), XPK)
SIGNED_TYPE, SIGNED_BODY = multipart.encode(
    signed_bodies.sign([Part(mcptt_info.CONTENT_TYPE, mcptt_info.encode(INFO))], XPK, "a.example")
)


def xpk(_key_id: KeyId) -> xmlsec.XmlKeys:
    return XPK


def session(octets: bytes) -> object:
    """A description, and everything that is looked for in one."""
    read = sdp.decode(octets)
    found = [sdp_mcptt.floor_parameters(line) for line in read.media if sdp_mcptt.is_floor_line(line)]
    return found, sdp_mcptt.general_purpose(read, 1)


def body(octets: bytes) -> tuple[Part, ...]:
    """The first line stands for the Content-Type header."""
    content_type, _, content = octets.partition(b"\n")
    return multipart.decode(text(content_type), content)


RESCUE = groups.GroupDocument(
    uri=GROUP,
    members=(groups.Member(uri=ALICE, priority=7, required=True),),
    protection=groups.Protection(media=True, floor=False, multicast_floor=True),
    hang_time=30.0,
    regrouped=(groups.Regrouped("sip:temp@a.example", ALICE),),
)
TARGETS = (
    Target("xml", xml.parse, [REQUEST, *RESPONSES]),
    Target("xml.canonical", lambda octets: xml.canonical(xml.parse(octets)), [REQUEST, *RESPONSES]),
    Target("dsig", lambda octets: dsig.verify(xml.parse(octets), keys), [signed()]),
    Target("xenc.key", lambda octets: xenc.open_key(octets, keys), [SEALED.encrypted_key]),
    Target(
        "xenc.octets",
        lambda octets: xenc.open_octets(xml.parse(octets), keys),
        [xenc.seal_octets(b"clear", KEK, KEY_NAME)],
    ),
    Target("kms.request", lambda octets: kms.decode_request(xml.parse(octets)), [REQUEST]),
    Target("kms.response", lambda octets: kms.decode_response(xml.parse(octets)), RESPONSES),
    Target("group-document", groups.decode, [groups.encode(RESCUE)]),
    Target("xcap.path", xcap.parse, [xcap.Place(xcap.GROUPS, GROUP).path().encode()]),
    Target(
        "xcap.directory",
        xcap.read_directory,
        [xcap.write_directory([xcap.Listed(xcap.Place(xcap.GROUPS, GROUP), '"1"')])],
    ),
    Target("xcap.error", xcap.read_conflict, [xcap.write_conflict(xcap.Conflict.CONSTRAINT, "why")]),
    Target("gktp", gktp.decode, [gktp.encode(gktp.GktpDocument(GKTPS, GKTPS))]),
    Target("mcptt-info", mcptt_info.decode, [mcptt_info.encode(INFO)]),
    Target(
        "xmlsec",
        lambda octets: xmlsec.decrypt(mcptt_info.decode(octets), xpk),
        [mcptt_info.encode(CONFIDENTIAL)],
    ),
    Target(
        "xmlsec.uri",
        lambda octets: xmlsec.decrypt_uri(text(octets), xpk),
        [xmlsec.encrypt_uri(ALICE, XPK).encode()],
    ),
    Target(
        "signed-bodies",
        lambda octets: signed_bodies.verify(body(octets), xpk),
        [SIGNED_TYPE.encode() + b"\n" + SIGNED_BODY],
    ),
    Target("mbms-usage", mbms_usage.decode, [mbms_usage.encode(USAGE)]),
    Target("affiliation", affiliation.decode, [affiliation.encode(PRESENCE)]),
    Target("resource-lists", resource_lists.decode, [resource_lists.encode([ALICE, "sip:b@b"])]),
    Target("sdp", sdp.decode, [sdp.encode(ANNOUNCED.session), sdp.encode(OFFER)]),
    Target("sdp.mcptt", session, [sdp.encode(ANNOUNCED.session), sdp.encode(OFFER)]),
    Target("multipart", body, [BODY_TYPE.encode() + b"\n" + BODY]),
    Target(
        "mikey-body",
        lambda octets: mikey_body.decode(Part(mikey_body.CONTENT_TYPE, octets)),
        [mikey_body.encode(OURS[0], form).content for form in mikey_body.Form],
    ),
)
