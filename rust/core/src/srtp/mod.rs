//! SRTP and SRTCP packet transforms (RFC 3711, RFC 7714).
