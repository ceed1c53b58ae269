"""MBMS bearers as the GCS AS sees them (TS 29.468): wanted, activated, kept, moved away from, given up.

``states`` is the table, ``bearer`` what is known of one, ``events`` what happens, ``engine`` what is asked of the
BM-SC and what follows from its answers, ``service`` the shell on Diameter.
"""
