//! Key derivations: the MIKEY PRF (RFC 3830 4.1.2) and the KDF of TS 33.220 B.2.
