"""What is claimed at the end of a scenario, of all that was on the air and of what the servers hold."""

from __future__ import annotations

from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.events import BroadcastRefused, KeyMade
from mcsec.keys.kinds import Traffic
from mcsec.lab.scenario.air import Tap, tags
from mcsec.lab.scenario.site import BearerWish, Site
from mcsec.lab.scenario.stage import Stage


def close(stage: Stage) -> None:
    """What is claimed of all of it."""
    for name, tap in stage.taps.items():
        place = stage.sites[name]
        assert place.wish is not None, "there is a bearer"
        signalling = tap.keys(Traffic.SUBCHANNEL_CONTROL, Traffic.MBMS_FLOOR)
        if place.wish.release_13:
            signalling -= _release_13(stage, place, place.wish, signalling)
        _own(stage, place, tap, signalling)
        media = tap.keys(Traffic.GROUP_MEDIA)
        stage.report.claim(
            f"media-{name}",
            f"media on the bearer of {name} is protected end to end, under GMKs",
            tags(media) <= {PurposeTag.GMK},
            f"{len(tap.of(Traffic.GROUP_MEDIA))} packets under {len(media)} keys",
        )
        stage.report.traffic[f"bearer of {name}"] = {
            "packets": len(tap.heard),
            "octets": sum(len(one.octets) for one in tap.heard),
        }
    held = {name: site.running.server.function.engine.kinds_held for name, site in stage.sites.items()}
    stage.report.claim(
        "no-gmk-at-servers",
        "no MCX server holds a GMK",
        all(PurposeTag.GMK not in kinds for kinds in held.values()),
        "; ".join(f"{name}: {', '.join(sorted(tag.name for tag in kinds))}" for name, kinds in held.items()),
    )
    stage.report.latencies += stage.latency_rows()


def _own(stage: Stage, place: Site, tap: Tap, signalling: set[KeyId]) -> None:
    made = {event.key_id for event in place.happened if isinstance(event, KeyMade)}
    what = "everything that" if place.wish and not place.wish.release_13 else "everything else that"
    stage.report.claim(
        f"own-keys-{place.name}",
        f"{what} {place.name} signalled on its bearer is protected under MuSiKs and MSCCKs of its own making",
        bool(signalling) and signalling <= made and tags(signalling) <= {PurposeTag.MUSIK, PurposeTag.MSCCK},
        f"{len(tap.of(Traffic.SUBCHANNEL_CONTROL, Traffic.MBMS_FLOOR))} packets under {len(signalling)} keys, "
        f"made: {len(made)}",
    )


def _release_13(stage: Stage, place: Site, wish: BearerWish, signalling: set[KeyId]) -> set[KeyId]:
    """Groups in Release 13 mode: under a GMS's keys, or not on the bearer, and the server said why. Their keys."""
    made = {key.key_id for site in stage.sites.values() for key in site.gms.keys}
    used = {key_id for key_id in signalling if key_id.tag is PurposeTag.MKFC}
    refused = {
        event.subject
        for event in place.happened
        if isinstance(event, BroadcastRefused) and event.code == "policy.no-mkfc"
    }
    without = {group for group, given in wish.release_13.items() if not given}
    stage.report.claim(
        f"release-13-{place.name}",
        f"in Release 13 mode {place.name} broadcasts under MKFCs that GMSs made, and without one not at all",
        used <= made and refused == without,
        f"{len(used)} MKFCs, {len(used & made)} of GMSs; no broadcast: {', '.join(sorted(refused)) or 'none'}",
    )
    return used
