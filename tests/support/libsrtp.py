"""libsrtp 2.x with MKIs, through its binary interface: no header and no compiler is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cffi import FFI

from mcsec.crypto.srtp import SrtpProfile

LIBRARY = "libsrtp2.so.1"
SPACE = 2048

DECLARATIONS = """
typedef struct {
    uint32_t cipher_type; int cipher_key_len; uint32_t auth_type; int auth_key_len; int auth_tag_len; int services;
} srtp_crypto_policy_t;
typedef struct { unsigned char *key; unsigned char *mki_id; unsigned int mki_size; } srtp_master_key_t;
typedef struct srtp_policy_t {
    struct { int type; unsigned int value; } ssrc;
    srtp_crypto_policy_t rtp, rtcp;
    unsigned char *key;
    srtp_master_key_t **keys;
    unsigned long num_master_keys;
    void *deprecated_ekt;
    unsigned long window_size;
    int allow_repeat_tx;
    int *enc_xtn_hdr;
    int enc_xtn_hdr_count;
    struct srtp_policy_t *next;
} srtp_policy_t;
int srtp_init(void);
unsigned int srtp_get_version(void);
int srtp_create(void **session, const srtp_policy_t *policy);
int srtp_dealloc(void *session);
int srtp_set_stream_roc(void *session, uint32_t ssrc, uint32_t roc);
int srtp_protect_mki(void *session, void *packet, int *length, unsigned int use_mki, unsigned int key);
int srtp_unprotect_mki(void *session, void *packet, int *length, unsigned int use_mki);
int srtp_protect_rtcp_mki(void *session, void *packet, int *length, unsigned int use_mki, unsigned int key);
int srtp_unprotect_rtcp_mki(void *session, void *packet, int *length, unsigned int use_mki);
"""

AUTH_FAIL, REPLAY_FAIL, REPLAY_OLD, BAD_MKI = 7, 9, 10, 25
_INBOUND, _OUTBOUND = 2, 3


class LibsrtpError(Exception):
    """A call returned another status than 0."""

    def __init__(self, status: int) -> None:
        super().__init__(f"libsrtp returned {status}")
        self.status = status


class Libsrtp:
    """The loaded library.

    :raises OSError: it is not installed.
    """

    def __init__(self) -> None:
        self.ffi = FFI()
        self.ffi.cdef(DECLARATIONS)
        self.lib = self.ffi.dlopen(LIBRARY)
        self.check(self.lib.srtp_init())

    @property
    def version(self) -> tuple[int, int, int]:
        number = self.lib.srtp_get_version()
        return number >> 24, number >> 16 & 0xFF, number & 0xFFFF

    def check(self, status: int) -> None:
        if status:
            raise LibsrtpError(status)


class Session:
    """One direction of a session with several master keys: (MKI, key, salt), all MKIs of one length.

    Used as a context manager; the session is freed at its end.
    """

    def __init__(
        self,
        library: Libsrtp,
        profile: SrtpProfile,
        keys: Sequence[tuple[bytes, bytes, bytes]],
        *,
        outbound: bool,
    ) -> None:
        ffi, self._library, self._lib = library.ffi, library, library.lib
        self._ffi = ffi
        policy = ffi.new("srtp_policy_t *")
        policy.ssrc.type = _OUTBOUND if outbound else _INBOUND
        for suite in (policy.rtp, policy.rtcp):
            _fill(suite, profile)
        self._keep: list[Any] = [policy]
        masters = []
        for mki, key, salt in keys:
            master = ffi.new("srtp_master_key_t *")
            key_octets = ffi.new("unsigned char[]", key + salt)
            mki_octets = ffi.new("unsigned char[]", mki or b"\0")
            master.key, master.mki_id, master.mki_size = key_octets, mki_octets, len(mki)
            self._keep += [master, key_octets, mki_octets]
            masters.append(master)
        array = ffi.new("srtp_master_key_t *[]", masters)
        self._keep.append(array)
        policy.keys, policy.num_master_keys = array, len(masters)
        policy.window_size = 128
        self._handle = ffi.new("void **")
        library.check(self._lib.srtp_create(self._handle, policy))
        self._use_mki = int(bool(keys[0][0]))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.check(self._lib.srtp_dealloc(self._handle[0]))

    def protect(self, packet: bytes, key: int = 0) -> bytes:
        return self._call(self._lib.srtp_protect_mki, packet, key)

    def unprotect(self, packet: bytes) -> bytes:
        return self._call(self._lib.srtp_unprotect_mki, packet)

    def protect_rtcp(self, packet: bytes, key: int = 0) -> bytes:
        return self._call(self._lib.srtp_protect_rtcp_mki, packet, key)

    def unprotect_rtcp(self, packet: bytes) -> bytes:
        return self._call(self._lib.srtp_unprotect_rtcp_mki, packet)

    def set_roc(self, ssrc: int, roc: int) -> None:
        self._library.check(self._lib.srtp_set_stream_roc(self._handle[0], ssrc, roc))

    def _call(self, function: Any, packet: bytes, *key: int) -> bytes:
        # libsrtp wants the packet on a 32-bit boundary, with room for what it appends.
        buffer = self._ffi.new("uint32_t[]", SPACE // 4)
        octets = self._ffi.buffer(buffer)
        octets[: len(packet)] = packet
        length = self._ffi.new("int *", len(packet))
        self._library.check(function(self._handle[0], buffer, length, self._use_mki, *key))
        return bytes(octets[: length[0]])


def _fill(suite: Any, profile: SrtpProfile) -> None:
    """Numbers of libsrtp's crypto_types.h: AES-ICM 1, AES-GCM 6, HMAC-SHA-1 3, confidentiality and check 3."""
    gcm = profile is SrtpProfile.AEAD_AES_128_GCM
    suite.cipher_type = 6 if gcm else 1
    suite.cipher_key_len = profile.key_length + profile.salt_length
    suite.auth_type = 0 if gcm else 3
    suite.auth_key_len = 0 if gcm else 20
    suite.auth_tag_len = profile.tag_length
    suite.services = 3
