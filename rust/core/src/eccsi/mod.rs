//! ECCSI (RFC 6507) on P-256 with SHA-256.
