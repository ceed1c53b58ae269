"""The MCX server of a domain: it makes the keys that protect what it signals, and decides nothing about media.

``keydown`` makes MuSiKs and MSCCKs and hands them to the clients, ``csk`` takes what clients upload, ``signalling``
protects and routes floor and subchannel control, ``engine`` joins them.
"""
