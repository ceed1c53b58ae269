"""A BM-SC emulator (TS 29.468): TMGIs and bearers over MB2-C, packets from MB2-U to multicast groups.

It is the operator's, and never sees a key: nothing here imports ``crypto``, ``keys`` or ``mikey``, and packets pass
as the octets they are. ``engine`` decides, ``radio`` plays the air, ``service`` is the shell.
"""
