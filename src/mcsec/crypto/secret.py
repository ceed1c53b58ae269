"""How key octets live.

A :class:`Secret` is made from octets or at random, and goes into the native core as it is. It has a length and a
redacted ``repr``, compares in constant time, has no hash, cannot be pickled, copied or turned into ``bytes`` by
accident, and its memory is wiped when the last reference goes. :meth:`~mcsec._core.Secret.reveal` is the one way
out, for the wire and for storage under wrap; Python cannot wipe the ``bytes`` that it returns, so such copies should
be short-lived and few.
"""

from mcsec._core import Secret

__all__ = ["Secret"]
