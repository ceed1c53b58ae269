"""The MC client: it checks and keeps the keys it is given, and reads what comes by unicast and on bearers.

``events`` says what can happen, ``contexts`` feeds SRTP and SRTCP from the keyring, ``engine`` joins them.
"""
