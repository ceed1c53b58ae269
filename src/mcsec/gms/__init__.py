"""The Group Management Server of a group's home domain: it makes the group's GMK and, in Release 13 mode, its MKFC.

``planning`` decides which keys follow from a change, ``access`` who may have what; ``gktps`` writes keys for one
member; ``keeper`` writes everything down before anybody is told. ``gms`` joins them, ``service`` is the HTTPS shell
(XCAP), ``admin`` the operators' one, ``push`` sends keys by SIP.
"""
