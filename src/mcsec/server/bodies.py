"""The bodies of deliveries: which template a key's message takes, and whether the user's CSK protects it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from mcsec.keys.key import Key
from mcsec.server import announcement
from mcsec.server.announcement import Bearer
from mcsec.server.function import FunctionSettings
from mcsec.server.templates import MESSAGE, USER, BodyTemplate
from mcsec.wire import mc_bodies
from mcsec.wire.xmlsec import XmlKeys

WriteMessages = Callable[[], list[bytes]]
"""Writes the I_MESSAGE for each of some users."""


class Bodies:
    """Renders bodies; one boundary for all, so that all fit one SIP template.

    :ivar content_type: of every body.
    """

    def __init__(self, settings: FunctionSettings, origin_host: str) -> None:
        self._settings = settings
        self._host = origin_host
        self._boundary = f"mc-{secrets.token_hex(12)}"
        self._download = BodyTemplate(mc_bodies.key_download(USER, MESSAGE), settings.domain, self._boundary)
        self._announcements: dict[str, tuple[Bearer, BodyTemplate]] = {}
        self.content_type = self._download.content_type

    def render(
        self,
        users: Sequence[str],
        csks: Sequence[Key | None],
        write: WriteMessages,
        bearer: Bearer | None = None,
    ) -> Callable[[], list[bytes]]:
        """What gives the body for each of ``users``, in order; it looks at no state, so it may run on another thread.

        :param csks: what protects XML to each of them; None: nothing does.
        :param bearer: what is announced; None: it is a key download.
        """
        template = self._download if bearer is None else self._announcement(bearer)
        with_key = bearer is None or not bearer.withdrawn

        def build() -> list[bytes]:
            messages = write() if with_key else [b""] * len(users)
            return [
                template.plain(user, message)
                if csk is None
                else template.protected(user, message, XmlKeys.derive(csk.secret, csk.key_id, user))
                for user, message, csk in zip(users, messages, csks, strict=True)
            ]

        return build

    def _announcement(self, bearer: Bearer) -> BodyTemplate:
        tmgi = str(bearer.tmgi)
        known = self._announcements.get(tmgi)
        if known is None or known[0] != bearer:
            settings = self._settings
            known = (
                bearer,
                announcement.template(bearer, settings.domain, self._host, self._boundary, settings.codecs),
            )
            self._announcements[tmgi] = known
        return known[1]
