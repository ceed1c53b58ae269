"""SIP: the whole of RFC 3261 that an MC server and its clients need, without sockets below ``transport``."""
