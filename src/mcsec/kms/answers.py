"""What a KMS answers: values of the interface, sealed and signed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from mcsec._core import Secret
from mcsec.crypto.kms_keys import KmsPublicKeys, UserKeyMaterial
from mcsec.crypto.uid import period_start
from mcsec.kms.engine import Asked
from mcsec.kms.ledger import Order
from mcsec.kms.refusals import WORDS
from mcsec.wire.kms.model import CertCache, Certificate, Init, KeyProv, KeySet, KmsError, KmsResponse, NewKeys
from mcsec.wire.kms.protect import ProtectionKeys, seal
from mcsec.wire.xenc import Form


def response(asked: Asked, kms_uri: str, message: Init | KeyProv | CertCache, now: float) -> KmsResponse:
    """An answer that grants what was asked."""
    url = asked.request.client_req_url if asked.request else asked.raw_path
    return KmsResponse(asked.user, kms_uri, datetime.fromtimestamp(now, UTC), url, message)


def refusal(kms_uri: str, user: str, url: str, status: int, now: float) -> KmsResponse:
    """An answer that refuses; its words depend on the status alone."""
    error = KmsError(status, WORDS.get(status, WORDS[500]))
    return KmsResponse(user, kms_uri, datetime.fromtimestamp(now, UTC), url, error=error)


def key_provision(
    public: KmsPublicKeys,
    orders: Sequence[Order],
    material: Iterable[UserKeyMaterial],
    keys: ProtectionKeys | None,
    form: Form,
    new_keys: NewKeys,
) -> KeyProv:
    """Key sets for what was issued, sealed under ``keys``."""
    return KeyProv(
        tuple(
            KeySet(
                kms_uri=public.kms_uri,
                user_uri=order.identity,
                user_id=order.uid,
                period_no=order.period_no,
                valid_from=_bound(public, order.period_no),
                valid_to=_bound(public, order.period_no + 1),
                decrypt_key=seal(issued.rsk, keys, form),
                signing_key=seal(issued.ssk, keys, form),
                pub_token=seal(Secret(issued.pvt), keys, form),
            )
            for order, issued in zip(orders, material, strict=True)
        ),
        new_keys,
    )


def certificates(number: int, certificates: Sequence[Certificate]) -> CertCache:
    """A certificate cache."""
    return CertCache(number, tuple(certificates))


def _bound(public: KmsPublicKeys, number: int) -> datetime:
    return datetime.fromtimestamp(period_start(number, public.period, public.offset), UTC)
