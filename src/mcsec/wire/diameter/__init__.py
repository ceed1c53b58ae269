"""Diameter as written down (RFC 6733): header, AVPs, one dictionary, typed messages. No state, no I/O.

``table`` holds the facts, ``datatypes`` the basic formats, ``schema`` turns table rows into typed groups and
messages, ``base`` is the base protocol's own messages. MB2-C lives next door in :mod:`mcsec.wire.mb2`.
"""
