"""The first acts: every key finds its way to those who are to hold it."""

from __future__ import annotations

from mcsec.lab.stage import Stage


async def give_group_keys(stage: Stage) -> None:
    """B's GMS makes the GMK; every member fetches it as an I_MESSAGE under its own KMS."""
    stage.say(
        "B's GMS makes the GMK (media); every member fetches its own message over HTTPS, no server does"
    )
    members = [stage.talker, *stage.listeners, stage.outsider]
    await stage.gms.make_group(stage.group, [client.uri for client in members])
    for client in members:
        client.groups[stage.group] = stage.b.gms_party
        await stage.gms.give_keys(stage.group, client)


async def give_signalling_keys(stage: Stage) -> None:
    """Clients log on and upload their CSKs; A's server makes MuSiK and MSCCK and downloads them."""
    stage.say("A's clients log on over SIP and TLS, each with its access token, and upload their CSKs")
    for client in stage.listeners:
        await stage.signalling.log_on(client, stage.groups, stage.air)
    stage.say("A's server makes a MuSiK for the group, and announces the bearer with its MSCCK")
    await stage.signalling.give_keys(stage.group, stage.listeners, stage.air)
    stage.say(f"{len(stage.key_messages)} I_MESSAGEs verified and opened, each by its receiver")
