"""The bodies of deliveries: which template a key's message takes, and whether the user's CSK protects it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from mcsec.errors import InvalidValue
from mcsec.ids import KeyId, PurposeTag
from mcsec.keys.key import Scope, make
from mcsec.server import announcement
from mcsec.server.announcement import Bearer
from mcsec.server.function import Function
from mcsec.server.templates import MESSAGE, USER, BodyTemplate
from mcsec.wire import mc_bodies
from mcsec.wire.xmlsec import XmlKeys


class Bodies:
    """Renders bodies; one boundary for all, so that all fit one SIP template.

    :ivar content_type: of every body.
    """

    def __init__(self, function: Function, origin_host: str) -> None:
        self._function = function
        self._host = origin_host
        self._boundary = f"mc-{secrets.token_hex(12)}"
        domain = function.settings.domain
        self._download = BodyTemplate(mc_bodies.key_download(USER, MESSAGE), domain, self._boundary)
        self._announcements: dict[str, tuple[Bearer, BodyTemplate]] = {}
        self.content_type = self._download.content_type

    def prepare(self, key_id: KeyId, users: Sequence[str], now: float) -> Callable[[], list[bytes]]:
        """What gives the body for each of ``users``, in order; it looks at no state, so it may run on another thread.

        :raises InvalidValue: the key is destroyed.
        """
        function = self._function
        write = function.engine.keydown.writer(key_id, users, now)
        template, with_key = self._template(key_id)
        csks = [function.protecting(user) for user in users]

        def build() -> list[bytes]:
            messages = write() if with_key else [b""] * len(users)
            return [
                template.plain(user, message)
                if csk is None
                else template.protected(user, message, XmlKeys.derive(csk.secret, csk.key_id, user))
                for user, message, csk in zip(users, messages, csks, strict=True)
            ]

        return build

    def trial(self, users: Sequence[str], now: float) -> Callable[[], list[bytes]]:
        """What writes key downloads of a key that nobody will hold, as for users with a CSK: to see what they take."""
        keydown = self._function.engine.keydown
        write = keydown.trial(users, now)
        csks = [make(PurposeTag.CSK, scope=Scope.of(user), maker=keydown.maker, now=now) for user in users]

        def build() -> list[bytes]:
            return [
                self._download.protected(user, message, XmlKeys.derive(csk.secret, csk.key_id, user))
                for user, message, csk in zip(users, write(), csks, strict=True)
            ]

        return build

    def _template(self, key_id: KeyId) -> tuple[BodyTemplate, bool]:
        """The template, and whether an I_MESSAGE belongs into it."""
        rotation = self._function.engine.keydown.rotation_of(key_id)
        if key_id.tag is not PurposeTag.MSCCK or rotation is None:
            return self._download, True
        (tmgi,) = rotation.scope.names
        bearer = self._function.bearers.get(tmgi)
        if bearer is None:
            raise InvalidValue(f"no bearer {tmgi} is announced", code="server.bearer")
        known = self._announcements.get(tmgi)
        if known is None or known[0] != bearer:
            settings = self._function.settings
            known = (
                bearer,
                announcement.template(bearer, settings.domain, self._host, self._boundary, settings.codecs),
            )
            self._announcements[tmgi] = known
        return known[1], not bearer.withdrawn
