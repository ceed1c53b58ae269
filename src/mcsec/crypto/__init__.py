"""What the maths gives us: secrets, identities as numbers, key derivation, and the native primitives with types.

:mod:`~mcsec.crypto.secret` says how key octets live, :mod:`~mcsec.crypto.uid` how an identity becomes a number,
:mod:`~mcsec.crypto.kdf` how keys come from keys. :mod:`~mcsec.crypto.sakke` encrypts to an identity and
:mod:`~mcsec.crypto.eccsi` signs as one; :mod:`~mcsec.crypto.kms_keys` joins both to what a KMS publishes and hands
out, which is what the rooms below use. :mod:`~mcsec.crypto.srtp` protects packets. :mod:`~mcsec.crypto.hazmat` is
fenced: fixed randomness, for test vectors only.
"""
