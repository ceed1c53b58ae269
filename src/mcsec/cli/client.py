"""``mcsec client``: MC clients against a real server."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcsec.cli.output import note

if TYPE_CHECKING:
    from mcsec.client.run import Tally
    from mcsec.client.service import McClient
    from mcsec.keys.events import Event

app = typer.Typer(help="MC clients: register, get keys, listen, talk.", no_args_is_help=True)

ConfigOption = Annotated[
    Path, typer.Option("--config", help="TOML file of the client.", dir_okay=False, show_default=False)
]
CountOption = Annotated[
    int,
    typer.Option(
        "--count", min=1, max=100_000, help="So many clients, numbered by {n} in the configuration."
    ),
]
LinesOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line, the last a summary.")
]
GroupOption = Annotated[str, typer.Option("--group", help="The group to call.", show_default=False)]
ChatOption = Annotated[bool, typer.Option("--chat", help="It is a chat group, which each member joins.")]
Work = Callable[["McClient", asyncio.Event], Awaitable[dict[str, Any]]]


@app.command("register")
def register(config: ConfigOption, count: CountOption = 1, as_json: LinesOption = False) -> None:
    """Register, get the service authorised, affiliate, tell what happened, and log off again.

    Exit status 1 if a client did not get that far.
    """
    asyncio.run(_run(config, count, as_json, 0.0))


@app.command("listen")
def listen(
    config: ConfigOption,
    count: CountOption = 1,
    as_json: LinesOption = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", "--for", min=0, help="Stop after so long; by default at SIGINT or SIGTERM."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Join the call of this group, or call it. Without it, only calls that come are taken."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--record", help="WAV file for what is heard of --group, with silence for gaps.", dir_okay=False
        ),
    ] = None,
    chat: ChatOption = False,
) -> None:
    """Stay logged on and print what happens: keys, bearers, calls, the floor.

    Exit status 1 if a client did not get on, or not into the call.
    """
    if file is not None and group is None:
        raise typer.BadParameter("needs --group", param_hint="--record")
    if group is not None and count != 1:
        raise typer.BadParameter("one client joins a call at a time", param_hint="--count")
    asyncio.run(
        _run(config, count, as_json, seconds, None if group is None else _recording(group, file, chat))
    )


@app.command("talk")
def talk(
    config: ConfigOption,
    group: GroupOption,
    file: Annotated[
        Path | None,
        typer.Option(
            "--audio",
            help="WAV file to say: 8 kHz, one channel, 16 bit. By default two seconds of a synthetic voice.",
            dir_okay=False,
        ),
    ] = None,
    as_json: LinesOption = False,
    seconds: Annotated[
        float, typer.Option("--for", min=0, help="Stay in the call so long after talking.")
    ] = 0.0,
    chat: ChatOption = False,
    emergency: Annotated[bool, typer.Option("--emergency", help="It is an emergency call.")] = False,
    imminent_peril: Annotated[bool, typer.Option("--imminent-peril", help="A life is in danger.")] = False,
    broadcast: Annotated[bool, typer.Option("--broadcast", help="Nobody else is to talk in it.")] = False,
    priority: Annotated[
        int | None,
        typer.Option(min=1, max=255, help="The highest floor priority wanted.", show_default=False),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the group's key, and for the floor.")
    ] = 10.0,
) -> None:
    """Call a group or join its call, ask for the floor, say a file, leave.

    Exit status 1 if not all of it was said.
    """
    from mcsec.client.audio import speech, wav
    from mcsec.client.speaking import Errand, say

    samples = speech.synthesise() if file is None else wav.read(file)
    errand = Errand(
        group=group,
        chat=chat,
        emergency=emergency,
        imminent_peril=imminent_peril,
        broadcast=broadcast,
        priority=priority,
        patience=patience,
    )

    async def work(client: McClient, stop: asyncio.Event) -> dict[str, Any]:
        from mcsec.client.audio.pcmu import FRAME

        said, wanted = await say(client, errand, samples), -(-len(samples) // FRAME)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()
        return {"frames_said": said, "frames_wanted": wanted, "complete": said == wanted}

    asyncio.run(_run(config, 1, as_json, None, work))


def _recording(group: str, file: Path | None, chat: bool) -> Work:
    async def work(client: McClient, stop: asyncio.Event) -> dict[str, Any]:
        from mcsec.client.audio.pcmu import RATE
        from mcsec.client.audio.recorder import Recorder
        from mcsec.client.speaking import Errand, record

        errand = Errand(group=group, chat=chat)
        if file is None:
            await record(client, errand, None, stop)
            return {}
        with Recorder(file) as recorder:
            await record(client, errand, recorder, stop)
        if recorder.error is not None:
            raise recorder.error
        return {"seconds_recorded": recorder.samples / RATE, "frames_of_other_codecs": recorder.foreign}

    return work


async def _run(
    config: Path, count: int, as_json: bool, seconds: float | None, work: Work | None = None
) -> None:
    from mcsec.client.config import Configuration
    from mcsec.client.events import MediaHeard, PacketDropped
    from mcsec.client.run import logged_on
    from mcsec.net.https import stopping

    stop = stopping()
    say = _json_line if as_json else _line
    done: dict[str, Any] = {}

    def heard(user: str, event: Event) -> None:
        # Packets come by the thousand; the summary counts them.
        if count == 1 and not isinstance(event, (MediaHeard, PacketDropped)):
            say({"client": user, **event.describe()})

    async with logged_on(Configuration.load(config), count, heard) as tally:
        say({"event": "Ready", "clients": tally.clients, "logged_on": tally.logged_on})
        if tally.users:
            if seconds is not None:
                asyncio.get_running_loop().call_later(seconds, stop.set)
            done = await _work(tally, stop, work)
    _finish(tally, done, say, as_json)


async def _work(tally: Tally, stop: asyncio.Event, work: Work | None) -> dict[str, Any]:
    from mcsec.errors import McsecError

    if work is None:
        await stop.wait()
        return {}
    doing = asyncio.ensure_future(work(tally.users[0], stop))
    stopped = asyncio.ensure_future(stop.wait())
    try:
        # Who is told to stop while talking stops; who records finishes the file.
        await asyncio.wait((doing, stopped), return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            await asyncio.wait((doing,), timeout=1.0)
        doing.cancel()
        return await doing
    except McsecError as error:
        tally.failures.append(error)
    except asyncio.CancelledError:
        return {"complete": False}
    finally:
        stopped.cancel()
    return {"complete": False}


def _finish(tally: Tally, done: dict[str, Any], say: Callable[[dict[str, Any]], None], as_json: bool) -> None:
    if as_json or done:
        say({"event": "Summary", **(tally.to_dict() if as_json else {}), **done})
    for error in tally.failures:
        note(f"mcsec: {error.describe()}")
    if tally.logged_on < tally.clients or not done.get("complete", True):
        raise typer.Exit(1)


def _json_line(plain: dict[str, Any]) -> None:
    json.dump(plain, sys.stdout, ensure_ascii=False)
    sys.stdout.write("\n")
    sys.stdout.flush()


def _line(plain: dict[str, Any]) -> None:
    rest = {name: value for name, value in plain.items() if name not in ("event", "now", "client")}
    typer.echo(" ".join([str(plain["event"]), *(f"{name}={value}" for name, value in rest.items())]))
