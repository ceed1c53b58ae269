"""A client's side of the KMS interface as octets: requests written, answers checked. No sockets, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from mcsec.crypto.kms_keys import IdentityKeys, IdentitySecrets, KmsPublicKeys
from mcsec.errors import CheckFailed, DecodeError, McsecError, Refused
from mcsec.wire import dsig, xml
from mcsec.wire.kms.answer import check_certificates
from mcsec.wire.kms.decode import decode_response
from mcsec.wire.kms.model import (
    BASE_PATH,
    NAMESPACE,
    SCHEMA,
    CertCache,
    Init,
    KeyProv,
    KeySet,
    KmsRequest,
    KmsResponse,
    NewKeys,
)
from mcsec.wire.kms.protect import Bootstrap, ProtectionKeys, accept, unseal, write_request

_SIGNED_RESPONSE = f"{{{NAMESPACE}}}SignedKmsResponse"
_RESPONSE = f"{{{NAMESPACE}}}KmsResponse"
#: Seconds that a KMS's clock may be off ours.
_WINDOW = 300


class KmsRefused(Refused):
    """The KMS refused; ``status`` is that of HTTP."""

    code = "kms.refused"

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"the KMS refused: {status} {words}", hint="its log says why")
        self.status = status


def init_path() -> str:
    """Path of Initialize."""
    return f"{BASE_PATH}/init"


def keyprov_path(uri: str | None = None, ntp_time: int | None = None) -> str:
    """Path of KeyProvision: of all identities, of one, or of one at a 64-bit NTP time."""
    path = f"{BASE_PATH}/keyprov"
    if uri is not None:
        path += f"/{quote(uri, safe='')}"
        if ntp_time is not None:
            path += f"/{ntp_time:016X}"
    return path


def certcache_path(number: int | None = None) -> str:
    """Path of CertCache, from a cache number on."""
    return f"{BASE_PATH}/certcache" + ("" if number is None else f"/{number}")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that is under way: what its answer must fit."""

    url: str
    body: bytes
    keys: ProtectionKeys | None
    bootstrap: Bootstrap | None


@dataclass(frozen=True, slots=True)
class Received:
    """A checked answer, the keys that opened it, and the pair to use from now on if it brought one."""

    message: Init | KeyProv | CertCache
    keys: ProtectionKeys | None
    new_keys: ProtectionKeys | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """How one client speaks with its KMS.

    :ivar protection: what is not signed and sealed is refused; False: clear content inside TLS is taken.
    """

    kms_uri: str
    user: str
    client_id: str = ""
    protection: bool = True

    def ask(self, url: str, keys: ProtectionKeys | None, now: float) -> Sent:
        """A request to ``url``, for the moment; a repetition is asked anew."""
        bootstrap = Bootstrap() if self.protection and keys is None else None
        request = KmsRequest(
            user_uri=self.user,
            kms_uri=self.kms_uri,
            time=datetime.fromtimestamp(now, UTC),
            client_req_url=url,
            client_id=self.client_id or None,
        )
        return Sent(url, write_request(request, keys, bootstrap), keys, bootstrap)

    def open(self, sent: Sent, status: int, document: bytes, now: float) -> Received:
        """Check an answer against its request.

        :raises KmsRefused: the KMS refused.
        :raises DecodeError: no answer of a KMS.
        :raises CheckFailed, UnknownKey: its protection is wrong or missing; another request's answer; not fresh.
        """
        try:
            root = xml.parse(document)
        except DecodeError:
            if status >= 400:
                raise KmsRefused(status, "without a document") from None
            raise
        xml.validate(root, *SCHEMA)
        if root.tag not in (_RESPONSE, _SIGNED_RESPONSE):
            raise DecodeError("a document that is no answer of a KMS", code="kms.element")
        unchecked = decode_response(root if root.tag == _RESPONSE else root[0])
        if status != 200 or unchecked.error is not None:
            # Refusals may come from before the KMS knew us, and so unsigned: they change nothing here.
            raise KmsRefused(status, unchecked.error.message if unchecked.error else "")
        if not self.protection and sent.keys is None:
            response = unchecked
            keys: ProtectionKeys | None = None
            new = None
        else:
            if root.tag != _SIGNED_RESPONSE:
                raise CheckFailed("an answer without signature", code="kms.unsigned", clause="TS 33.180 D.1")
            keys, first = self._keys(sent, unchecked)
            element = dsig.verify(root, keys.integrity_key).element
            check_certificates(element, keys)
            response = decode_response(element)
            new = first or self._new_keys(response, keys)
        self._check(sent, response, now)
        if response.message is None:
            raise DecodeError("an answer with nothing in it", code="kms.element")
        return Received(response.message, keys, new)

    def _keys(self, sent: Sent, unchecked: KmsResponse) -> tuple[ProtectionKeys, ProtectionKeys | None]:
        """The keys that protect the answer. A first pair comes in it; its own signature then covers it."""
        if sent.keys is not None:
            return sent.keys, None
        offered = _offered(unchecked)
        if sent.bootstrap is None or not offered:
            raise CheckFailed("an answer without a first pair of protection keys", code="kms.unsigned")
        first = sent.bootstrap.accept(offered, self.user)
        return first, first

    def _new_keys(self, response: KmsResponse, keys: ProtectionKeys) -> ProtectionKeys | None:
        offered = _offered(response)
        if not offered:
            return None
        new = accept(offered, keys.transport_key)
        if new.user != self.user or new.number <= keys.number:
            raise CheckFailed("protection keys of another user, or older ones", code="kms.protection-key")
        return new

    def _check(self, sent: Sent, response: KmsResponse, now: float) -> None:
        if response.kms_uri != self.kms_uri or response.user_uri != self.user:
            raise CheckFailed("an answer of another KMS or to another user", code="kms.answer")
        if response.client_req_url != sent.url:
            raise CheckFailed("an answer to another request", code="kms.answer")
        if abs(response.time.timestamp() - now) > _WINDOW:
            raise CheckFailed("an answer that is not fresh", code="kms.stale", hint="compare the clocks")


def _offered(response: KmsResponse) -> NewKeys:
    return response.message.new_keys if isinstance(response.message, Init | KeyProv) else NewKeys()


def check_key_set(
    key_set: KeySet, public: KmsPublicKeys, keys: ProtectionKeys | None, periods: tuple[int, ...]
) -> tuple[IdentityKeys, IdentitySecrets]:
    """A key set, validated against what its KMS publishes; nothing else may be stored (TS 33.180 5.3).

    It comes as keys to work with, and as what is stored.

    :param periods: the numbers of key periods that are expected.
    :raises CheckFailed: the UID is not the one that we compute, or RSK, SSK or PVT do not belong to it.
    :raises Refused: it is marked as revoked.
    :raises DecodeError, UnknownKey: its content does not open.
    """
    if key_set.kms_uri != public.kms_uri or key_set.period_no not in periods:
        raise CheckFailed("keys of another KMS or another key period", code="kms.key-set")
    if key_set.revoked:
        raise Refused(f"the keys of {key_set.user_uri} are revoked", code="kms.revoked")
    if public.uid_in(key_set.user_uri, key_set.period_no) != key_set.user_id:
        raise CheckFailed(
            "a UserID that is not the UID of its user",
            code="kms.uid",
            clause="TS 33.180 F.2.1",
            hint="client and KMS must agree on UserKeyPeriod, UserKeyOffset and the KMS's URI",
        )
    found = IdentitySecrets(
        key_set.user_uri,
        key_set.period_no,
        unseal(key_set.decrypt_key, keys),
        unseal(key_set.signing_key, keys),
        unseal(key_set.pub_token, keys).reveal(),
    )
    try:
        return IdentityKeys.validate(public, *found), found
    except McsecError as error:
        raise CheckFailed(
            f"keys of {key_set.user_uri} that do not belong to it: {error.code}",
            code="kms.key-validation",
            clause="RFC 6508 6.1.2, RFC 6507 5.1.2",
        ) from None
