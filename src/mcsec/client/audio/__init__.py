"""Speech as a client handles it: PCMU frames of 20 ms, WAV files, a synthetic voice, and order in what arrives.

Everything is 8 kHz, one channel, 16 bit. ``pcmu`` is the codec, ``wav`` reads and writes files, ``speech`` makes a
voice for tests and demonstrations, ``arrival`` puts packets in order, ``recorder`` writes what was heard.
"""
