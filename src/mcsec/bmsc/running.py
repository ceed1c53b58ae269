"""A BM-SC as its section of the configuration file says, with its operators' API."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcsec.bmsc.admin import Admin
from mcsec.bmsc.config import BmscConfig, load
from mcsec.bmsc.service import Bmsc
from mcsec.bmsc.wording import diameter_row, event_row
from mcsec.errors import InvalidValue
from mcsec.net.admin import socket_endpoint
from mcsec.net.config import ConfigError
from mcsec.net.https import Endpoint, serving


def admin_endpoint(config: BmscConfig, directory: Path) -> Endpoint:
    """Where operators reach it.

    :raises ConfigError: no socket file is named. It has no other guard, so it is on no network.
    """
    try:
        return socket_endpoint(config.admin, directory)
    except InvalidValue as error:
        raise ConfigError(f"[bmsc] admin: {error}") from None


@asynccontextmanager
async def running(file: Path, log: Callable[[dict[str, Any]], None]) -> AsyncIterator[tuple[str, ...]]:
    """A BM-SC until the end of the block; gives its Diameter addresses as URIs (RFC 6733 4.3.1).

    :param log: called with each event, as plain values.
    :raises LocalError: something of the configuration cannot be used.
    """
    config, directory = load(file), file.parent.absolute()
    admin = admin_endpoint(config, directory)
    bmsc = Bmsc.configured(
        config,
        directory,
        on_event=lambda event: log(event_row(event)),
        on_diameter=lambda event: log(diameter_row(event, time.time())),
    )
    async with bmsc, serving(Admin(bmsc).app(), admin):
        scheme = "aaa" if config.diameter.plain else "aaas"
        hosts = (text.rpartition(":")[0] for text in config.diameter.listen)
        yield tuple(f"{scheme}://{host}:{port}" for host, port in zip(hosts, bmsc.node.ports, strict=True))
