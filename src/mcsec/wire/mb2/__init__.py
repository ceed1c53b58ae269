"""MB2, between a GCS AS and a BM-SC (TS 29.468): MB2-C messages over Diameter, MB2-U packets over UDP.

``messages`` has the four commands, ``groups`` what they carry, ``values`` and ``masks`` the encodings inside, and
``userplane`` the packets that go to a bearer. Open points are in ``docs/readings/mb2.md``.
"""
