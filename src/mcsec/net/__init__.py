"""The only sockets: SIP, Diameter, multicast, HTTPS; and captures of what passed through them."""
