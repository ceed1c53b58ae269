"""SAKKE (RFC 6508, parameter set 1 of RFC 6509): encapsulating a 16-octet key to an identity.

========================  =========================  ===================================================
class                     held by                    what it does
========================  =========================  ===================================================
``SakkeMasterSecret`` z   the KMS                    ``extract`` an identity's RSK; ``public_octets``: Z
``SakkePublicKey`` Z      everybody                  ``encapsulate`` a key, for one identity or many
``SakkeReceiver`` RSK     the owner of an identity   ``decapsulate``, with the check of R
========================  =========================  ===================================================

An identity is a UID (:mod:`mcsec.crypto.uid`). Private operations run in constant time in the native core.
"""

from mcsec._core import SakkeMasterSecret, SakkePublicKey, SakkeReceiver

__all__ = ["SED_OCTETS", "SSV_OCTETS", "SakkeMasterSecret", "SakkePublicKey", "SakkeReceiver"]

#: Octets of the encapsulated data: R (04, x, y), then H.
SED_OCTETS = 273
#: Octets of the shared secret value, the key that is encapsulated.
SSV_OCTETS = 16
