"""The native core. Each section mirrors one file of ``rust/py/src``.

Refusals are exceptions of :mod:`mcsec.errors`: ``InvalidValue`` for octets that are no valid value (wrong size, not on
the curve, out of range), ``CheckFailed`` for a failed cryptographic check, and those named with a method. Nothing
returns a boolean to say that a check passed.
"""

from collections.abc import Sequence
from typing import ClassVar, final

# --- secret.rs

@final
class Secret:
    """Octets that must not be seen: redacted ``repr``, unpicklable, no hash, equality in constant time, wiped when
    collected.
    """

    def __init__(self, octets: bytes, /) -> None: ...
    @staticmethod
    def random(length: int, /) -> Secret: ...
    def reveal(self) -> bytes:
        """A copy of the octets, for the wire or for storage under wrap. The copy is not wiped."""

    def head(self, length: int, /) -> Secret:
        """The first ``length`` octets; ``InvalidValue`` where there are not as many."""

    def tail(self, length: int, /) -> Secret:
        """The last ``length`` octets; ``InvalidValue`` where there are not as many."""

    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]  # as typeshed says of list: object has a hash, this has none

# --- sakke.rs (RFC 6508, parameter set 1 of RFC 6509; TS 33.180 F.2)

@final
class SakkePublicKey:
    """A KMS's public key Z. Builds its tables once; share one object per KMS."""

    def __init__(self, z: bytes, /, *, table_bits: int = ...) -> None:
        """:param z: 257 octets ``04||x||y``. :param table_bits: window width of the fixed-base tables."""

    def octets(self) -> bytes: ...
    def encapsulate(self, identity: bytes, ssv: Secret, /) -> bytes:
        """SED (273 octets: R, then H) that gives ``ssv`` (16 octets) to the owner of ``identity``."""

    def encapsulate_many(
        self, identities: Sequence[bytes], ssv: Secret, /, *, threads: int = ...
    ) -> list[bytes]:
        """The same for many recipients, on ``threads`` cores (0: all); results in order. Releases the interpreter."""

    def validate_rsk(self, identity: bytes, rsk: Secret, /) -> None: ...

@final
class SakkeMasterSecret:
    """A KMS's master secret z."""

    def __init__(self, z: Secret, /) -> None:
        """:param z: big-endian integer of at most 128 octets, in [1, q - 1]."""

    @staticmethod
    def generate() -> SakkeMasterSecret: ...
    def export(self) -> Secret:
        """z as 128 octets, for storage under wrap."""

    def public_octets(self) -> bytes:
        """Z, 257 octets."""

    def extract(self, identity: bytes, /) -> Secret:
        """RSK of ``identity``, 257 octets."""

    def extract_many(self, identities: Sequence[bytes], /) -> list[Secret]:
        """RSKs of many identities, in order; cheaper than one by one. Releases the interpreter."""

@final
class SakkeReceiver:
    """An identity's RSK, validated.

    It keeps the pairing's line functions, half a MiB. A ``compact`` one has less than 1 KiB and makes them again for
    every message, which takes some thirty times as long as the decapsulation itself: for processes that play many
    users.
    """

    def __init__(
        self, public: SakkePublicKey, identity: bytes, rsk: Secret, /, *, compact: bool = False
    ) -> None: ...
    def decapsulate(self, sed: bytes, /, *, trimmed_g: bool = False) -> Secret:
        """SSV from a SED of 273 octets; ``CheckFailed`` when the R check fails.

        ``trimmed_g`` allows a second try for senders that hash g^r without leading zero octets.
        """

# --- eccsi.rs (RFC 6507 on P-256 with SHA-256)

@final
class EccsiPublicKey:
    """A KMS's public authentication key KPAK (65 octets). Builds its tables once; share one object per KMS."""

    def __init__(self, kpak: bytes, /) -> None: ...
    def octets(self) -> bytes: ...
    def verify(self, identity: bytes, message: bytes, signature: bytes, /) -> None:
        """``CheckFailed`` for whatever is wrong with the signature, its size and form included."""

    def validate_ssk(self, identity: bytes, ssk: Secret, pvt: bytes, /) -> None:
        """``CheckFailed`` for whatever is wrong with SSK or PVT, their sizes included."""

@final
class EccsiMasterSecret:
    """A KMS's master secret KSAK."""

    def __init__(self, ksak: Secret, /) -> None:
        """:param ksak: 32 octets, in [1, q - 1]."""

    @staticmethod
    def generate() -> EccsiMasterSecret: ...
    def export(self) -> Secret: ...
    def public_octets(self) -> bytes:
        """KPAK, 65 octets."""

    def extract(self, identity: bytes, /) -> tuple[Secret, bytes]:
        """A fresh (SSK, PVT) of ``identity``: 32 and 65 octets."""

@final
class EccsiSigner:
    """An identity's SSK and PVT, validated; ``CheckFailed`` as in :meth:`EccsiPublicKey.validate_ssk`."""

    def __init__(self, public: EccsiPublicKey, identity: bytes, ssk: Secret, pvt: bytes, /) -> None: ...
    def sign(self, message: bytes, /) -> bytes:
        """Signature of 129 octets: r, s, PVT."""

def hazmat_eccsi_extract(master: EccsiMasterSecret, identity: bytes, v: Secret, /) -> tuple[Secret, bytes]:
    """Only for :mod:`mcsec.crypto.hazmat`."""

def hazmat_eccsi_sign(signer: EccsiSigner, message: bytes, j: Secret, /) -> bytes:
    """Only for :mod:`mcsec.crypto.hazmat`."""

# --- kdf.rs

def mikey_prf(inkey: Secret, label: bytes, length: int, /) -> Secret:
    """RFC 3830 4.1.2 with HMAC-SHA-256 (RFC 6043 6.1); ``length`` from 1 to 8160."""

def kdf(key: Secret, fc: int, parameters: Sequence[bytes], /) -> Secret:
    """KDF of TS 33.220 B.2: 32 octets of HMAC-SHA-256(key, FC || P0 || L0 || ...)."""

# --- srtp.rs (RFC 3711, RFC 7714); documented in mcsec.crypto.srtp
#
# ``profile`` is the name of an ``SrtpProfile``. A master key has 16 octets; a master salt has 12 with
# AEAD_AES_128_GCM and 14 with AES_CM_128_HMAC_SHA1_80. An MKI has 0 to 128 octets.

@final
class ProtectedPacket:
    """An SRTP or SRTCP packet. Only ``protect`` makes one."""

    @property
    def octets(self) -> bytes: ...
    def __bytes__(self) -> bytes: ...
    def __len__(self) -> int: ...

@final
class OpenedPacket:
    """An RTP or RTCP packet that passed every check: its octets in clear, its MKI, SSRC and index."""

    @property
    def octets(self) -> bytes: ...
    @property
    def mki(self) -> bytes: ...
    @property
    def ssrc(self) -> int: ...
    @property
    def index(self) -> int: ...
    def __bytes__(self) -> bytes: ...

@final
class SrtcpSender:
    """Protects the RTCP packets of one SSRC, with the indexes ``first`` to ``last`` only (1 to 2^31 - 1)."""

    def __init__(
        self,
        profile: str,
        ssrc: int,
        mki: bytes,
        master_key: Secret,
        master_salt: Secret,
        /,
        *,
        first: int,
        last: int,
    ) -> None: ...
    def install_key(self, mki: bytes, master_key: Secret, master_salt: Secret, /) -> None:
        """Switches to another key; the index counts on."""

    def extend(self, last: int, /) -> None:
        """Moves the end of the reserved range up."""

    def protect(self, packet: bytes, /) -> ProtectedPacket:
        """``InvalidValue``: no RTCP packet of this SSRC; ``IndexExhausted``: the range is used up."""

    @property
    def ssrc(self) -> int: ...
    @property
    def mki(self) -> bytes: ...
    @property
    def next_index(self) -> int: ...
    @property
    def last_index(self) -> int: ...

@final
class SrtcpReceiver:
    """Opens SRTCP packets under any number of keys, with a replay window for each MKI and SSRC."""

    def __init__(
        self,
        profile: str,
        /,
        *,
        window: int = 128,
        max_streams: int = 65536,
        accept_unencrypted: bool = False,
    ) -> None: ...
    def add_key(self, mki: bytes, master_key: Secret, master_salt: Secret, /) -> None: ...
    def remove_key(self, mki: bytes, /) -> None: ...
    def unprotect(self, packet: bytes, /) -> OpenedPacket:
        """``DecodeError``, ``UnknownKey``, ``Replayed``, ``CheckFailed``, or ``Refused``."""

@final
class SrtpSender:
    """Protects the RTP packets of one SSRC, with no 48-bit index outside ``first`` to ``last``."""

    def __init__(
        self,
        profile: str,
        ssrc: int,
        mki: bytes,
        master_key: Secret,
        master_salt: Secret,
        /,
        *,
        first: int,
        last: int,
        carry_roc: bool = False,
    ) -> None: ...
    def install_key(self, mki: bytes, master_key: Secret, master_salt: Secret, /) -> None: ...
    def extend(self, last: int, /) -> None: ...
    def protect(self, packet: bytes, /) -> ProtectedPacket:
        """``InvalidValue``: no RTP packet of this SSRC, or an index that was used; ``IndexExhausted``."""

    @property
    def ssrc(self) -> int: ...
    @property
    def mki(self) -> bytes: ...
    @property
    def next_index(self) -> int: ...
    @property
    def last_index(self) -> int: ...

@final
class SrtpReceiver:
    """Opens SRTP packets under any number of keys."""

    def __init__(
        self, profile: str, /, *, window: int = 128, max_streams: int = 65536, carry_roc: bool = False
    ) -> None: ...
    def add_key(self, mki: bytes, master_key: Secret, master_salt: Secret, /) -> None: ...
    def remove_key(self, mki: bytes, /) -> None: ...
    def start_stream(self, ssrc: int, roc: int, /) -> None: ...
    def unprotect(self, packet: bytes, /) -> OpenedPacket: ...
