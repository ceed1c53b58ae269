"""The only database, and how keys lie in it: wrapped, each bound to its place.

``kek`` is the key from outside, ``wrapping`` what it protects, ``database`` the file or server they lie in.
"""
