"""Finding key octets where they must not be: every key that is made is noted, every place is searched in every form."""

from __future__ import annotations

import json
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from mcsec.client.engine import ClientEngine
from mcsec.crypto.kms_keys import IdentityKeys, KmsMasterKeys
from mcsec.crypto.secret import Secret
from mcsec.errors import McsecError
from mcsec.gms import observe as gms_observe
from mcsec.keys.key import Key
from mcsec.kms import observe
from mcsec.net.issuer import LocalIssuer
from mcsec.server.engine import ServerEngine
from mcsec.server.notebook import Notebook
from mcsec.wire.xmlsec import XmlKeys

_WINDOW = 16


def windows(octets: bytes) -> Iterator[bytes]:
    """Parts of a secret that give it away. Leading zeros of a number and the form octet of a point do not."""
    kept = octets.lstrip(b"\0")
    if len(kept) <= _WINDOW:
        yield octets
        return
    for at in (1, len(kept) // 2, len(kept) - _WINDOW):
        yield kept[at : at + _WINDOW]


def forms(octets: bytes) -> Iterator[bytes]:
    """How octets are written down: as they are, in hex, as Python and JSON show them, as a number, in base64."""
    yield octets
    yield octets.hex().encode()
    yield octets.hex().upper().encode()
    yield octets.hex(" ").encode()
    yield octets.hex(":").encode()
    for quote in ("'", "\\'"):
        # Whether a quote is escaped depends on what else stands in the same text.
        shown = "".join(quote if octet == 0x27 else repr(bytes([octet]))[2:-1] for octet in octets)
        yield shown.encode()
        # In the representation of something that holds the representation, or in JSON.
        doubled = shown.replace("\\", "\\\\")
        yield doubled.encode()
        yield doubled.replace("'", "\\'").encode()
        yield json.dumps(shown)[1:-1].encode()
    yield ", ".join(map(str, octets)).encode()
    yield str(int.from_bytes(octets)).encode()
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            # Whatever stands before and after shares the characters at the ends.
            text = encode(bytes(before) + octets).rstrip(b"=")
            skipped = -(-8 * before // 6)
            whole = (8 * (before + len(octets)) // 6) if before or len(octets) % 3 else len(text)
            yield text[skipped:whole]


def found(secrets: Mapping[str, bytes], places: Mapping[str, bytes]) -> list[str]:
    """``secret in place`` for each secret that lies open; empty when all is well."""
    needles = {
        (name, form) for name, octets in secrets.items() for part in windows(octets) for form in forms(part)
    }
    return sorted(
        {f"{name} in {place}" for place, hay in places.items() for name, form in needles if form in hay}
    )


class Watch:
    """Notes every key, and everything that is said, from now on until the test ends."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.secrets: dict[str, bytes] = {}
        self.errors: list[McsecError] = []
        self.events: list[object] = []
        self.streams: list[object] = []
        self._patch = patch
        self._after(Key, "__post_init__", lambda _result, key: self.note(key.kind.tag.label, key.secret))
        self._after(Key, "_derive", lambda made, key, *_: self._note_material(key, made))
        self._after(KmsMasterKeys, "extract", lambda made, *_: self._note_user_keys(made))
        self._after(McsecError, "__init__", lambda _result, error, *_, **__: self.errors.append(error))
        self._after(LocalIssuer, "issue", lambda token, *_, **__: self._note_token(token))
        for entity in (observe, gms_observe):
            self._after(
                entity.Observer, "__init__", lambda _result, _self, stream=None: self.streams.append(stream)
            )
        derive = XmlKeys.derive
        patch.setattr(XmlKeys, "derive", lambda *args, **options: self._note_xpk(derive(*args, **options)))
        for engine, names in (
            (Notebook, ("note",)),
            (ServerEngine, ("floor", "subchannel")),
            (
                ClientEngine,
                ("key_message", "make_csk", "control_packet", "media_packet", "refusal", "log_off"),
            ),
        ):
            for name in names:
                self._after(engine, name, lambda result, *_, **__: self.events.append(result))
        generate = KmsMasterKeys.generate
        patch.setattr(KmsMasterKeys, "generate", lambda: self._note_master(generate()))
        validate = IdentityKeys.validate
        patch.setattr(
            IdentityKeys, "validate", lambda *args: (self._note_identity(*args), validate(*args))[1]
        )

    def note(self, name: str, secret: Secret | bytes) -> None:
        octets = secret if isinstance(secret, bytes) else secret.reveal()
        if octets not in self.secrets.values():
            self.secrets[f"{name} {len(self.secrets)}"] = octets

    def kinds(self) -> set[str]:
        return {name.split()[0] for name in self.secrets}

    def said(self, *directories: Path) -> dict[str, bytes]:
        """Events, errors with their tracebacks and what their frames held, logs, and files but for the key log."""
        places = {
            "events": "\n".join(map(repr, self.events)).encode(),
            "errors": "\n".join(map(_told, self.errors)).encode(errors="surrogateescape"),
            "logs": "\n".join(
                stream.getvalue() for stream in self.streams if hasattr(stream, "getvalue")
            ).encode(),
        }
        for directory in directories:
            for file in directory.rglob("*"):
                if file.is_file() and file.suffix != ".keylog":
                    places[str(file.relative_to(directory.parent))] = file.read_bytes()
        return places

    def _after(self, owner: type, name: str, then: Callable[..., object]) -> None:
        genuine = getattr(owner, name)

        def around(*args: object, **options: object) -> object:
            result = genuine(*args, **options)
            then(result, *args, **options)
            return result

        self._patch.setattr(owner, name, around)

    def _note_material(self, key: Key, made: object) -> None:
        _, master_key, master_salt = made  # type: ignore[misc]  # an SrtpMaterial
        self.note(f"{key.kind.tag.label}-key", master_key)
        self.note(f"{key.kind.tag.label}-salt", master_salt)

    def _note_user_keys(self, made: object) -> None:
        self.note("RSK", made.rsk)  # type: ignore[attr-defined]  # UserKeyMaterial
        self.note("SSK", made.ssk)  # type: ignore[attr-defined]

    def _note_identity(self, *args: object) -> None:
        _, _, _, rsk, ssk, _ = args
        self.note("RSK", rsk)  # type: ignore[arg-type]  # what validate() takes
        self.note("SSK", ssk)  # type: ignore[arg-type]

    def _note_master(self, made: KmsMasterKeys) -> KmsMasterKeys:
        exported = made.export()
        self.note("z", exported.z)
        self.note("KSAK", exported.ksak)
        return made

    def _note_xpk(self, xpk: XmlKeys) -> XmlKeys:
        self.note("XPK", xpk.confidentiality)
        self.note("XPK", xpk.integrity)
        return xpk

    def _note_token(self, token: object) -> None:
        self.note("token", str(token).rpartition(".")[2].encode())


def _told(error: McsecError) -> str:
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "\n".join((error.describe(), repr(error), *told.format()))
