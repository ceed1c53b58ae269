"""Group calls of a client (TS 24.379 10.1; TS 24.380 6.2, 10): set up, floor, media by unicast and on a bearer, left.

``states`` is the table of a call, ``events`` says what can happen, ``session`` is its description (SDP), ``uplink``
what leaves the client, ``engine`` decides about one call without sockets and clock, ``invitation`` about calls that
come; ``service`` carries one call out, and ``desk`` keeps all calls of a client.
"""
