"""MuSiK downloads to test with, and ways to make them wrong and sign them again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mcsec.ids import PurposeTag
from mcsec.mikey.build import SHORTEST, Form, build
from mcsec.mikey.extensions import ProtectedParameters
from mcsec.mikey.header import Header
from mcsec.mikey.message import IMessage, Payload, encode_chain
from mcsec.mikey.parameters import KeyParameters
from mcsec.mikey.payloads import SIGN_HEADER, Sakke
from support.domains import NOW, USER, distribution, initiator, recipient


def download(
    parameters: KeyParameters | None = None, *, to: str = USER, time: float = NOW, form: Form = SHORTEST
) -> bytes:
    return build(distribution(), initiator(time=time), recipient(to), time, parameters=parameters, form=form)


def remade(
    octets: bytes,
    payload: Callable[[Payload], Payload | None] = lambda payload: payload,
    header: Callable[[Header], Header] = lambda header: header,
    extra: Sequence[Payload] = (),
) -> bytes:
    """The message with other payloads, signed again by its sender."""
    message = IMessage.decode(octets)
    kept = [changed for old in message.payloads if (changed := payload(old)) is not None]
    parts = [(part.type, part.encode()) for part in (*kept, *extra)]
    signed = encode_chain(header(message.header), parts) + SIGN_HEADER
    return signed + initiator().keys.signer.sign(signed)


def with_sed(sed: Callable[[bytes], bytes]) -> Callable[[Payload], Payload]:
    return lambda old: Sakke(sed(old.sed)) if isinstance(old, Sakke) else old


def with_protected(change: Callable[[ProtectedParameters], Payload]) -> Callable[[Payload], Payload]:
    return lambda old: change(old) if isinstance(old, ProtectedParameters) else old


def flipped(octets: bytes, at: int, bits: int = 1) -> bytes:
    changed = bytearray(octets)
    changed[at] ^= bits
    return bytes(changed)


def revoked() -> bytes:
    return download(KeyParameters(PurposeTag.MUSIK, status=0))
