"""Diameter between this node and its peers (RFC 6733, RFC 3539): connections, requests and their answers.

Sans-I/O: ``states`` and ``watchdog`` are the tables, ``peer`` runs them, ``requests`` and ``arrivals`` look after
messages out and in, ``engine`` joins these. The shell is ``node``, with ``transport`` below it.
"""
