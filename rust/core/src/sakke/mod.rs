//! SAKKE (RFC 6508) over parameter set 1 of RFC 6509.
