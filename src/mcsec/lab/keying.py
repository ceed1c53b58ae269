"""The first acts: every key finds its way to those who are to hold it."""

from __future__ import annotations

import time

from mcsec.client.engine import Carrier
from mcsec.ids import PurposeTag
from mcsec.lab.stage import Stage
from mcsec.mikey.build import Recipient


def give_group_keys(stage: Stage) -> None:
    """B's GMS makes the GMK; every member gets it by an I_MESSAGE under its own KMS."""
    now = time.time()
    stage.say("B's GMS makes the GMK (media) and gives it to every member; no server gets it")
    gmk = stage.b.gms.make(PurposeTag.GMK, stage.group, now)
    members = [(stage.talker, stage.b), *((client, stage.a) for client in [*stage.listeners, stage.outsider])]
    recipients = [Recipient(client.uri, domain.kms.public) for client, domain in members]
    for (client, _), message in zip(members, stage.b.gms.messages(gmk.key_id, recipients, now), strict=True):
        client.groups[stage.group] = stage.b.gms_party
        client.key_message(message, Carrier.GROUP_KEYS, now)


async def give_signalling_keys(stage: Stage) -> None:
    """Clients log on and upload their CSKs; A's server makes MuSiK and MSCCK and downloads them."""
    stage.say("A's clients log on over SIP and TLS, each with its access token, and upload their CSKs")
    for client in stage.listeners:
        await stage.signalling.log_on(client, stage.groups, stage.air)
    stage.say("A's server makes a MuSiK for the group, and announces the bearer with its MSCCK")
    await stage.signalling.give_keys(stage.group, stage.listeners, stage.air)
    stage.say(f"{len(stage.key_messages)} I_MESSAGEs verified and opened, each by its receiver")
