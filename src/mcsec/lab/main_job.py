"""The main job, whole: a scenario across domains with calls and audio, then the story of its keys and an adversary."""

from __future__ import annotations

from pathlib import Path

from mcsec.lab import demo
from mcsec.lab.claims import DemoReport
from mcsec.lab.scenario.format import read
from mcsec.lab.scenario.play import play
from mcsec.lab.stage import Say

SCENARIO = Path(__file__).parent / "scenario" / "cross_domain.toml"


async def run(output: Path, say: Say) -> DemoReport:
    """Plays both and leaves their files in ``output``.

    :raises LocalError: the scenario could not be played to the end.
    """
    whole = await play(read(SCENARIO), SCENARIO.parent, output, say)
    story = await demo.run(output, say)
    whole.claims += story.claims
    whole.keys += story.keys
    whole.traffic |= story.traffic
    whole.files |= story.files
    whole.seconds += story.seconds
    return whole
