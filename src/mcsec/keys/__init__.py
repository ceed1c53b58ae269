"""How a key lives: kinds, lifecycle, keyring, policy (protect or refuse), provenance.

No sockets, no clock and no database: time is an argument everywhere (``now``, Unix seconds), and whatever
must last is a value of plain fields that the store room writes down.

Read :mod:`~mcsec.keys.kinds` first (one table of the seven kinds), then :mod:`~mcsec.keys.key` (one key),
:mod:`~mcsec.keys.lifecycle` and :mod:`~mcsec.keys.rotation` (the sender's side), :mod:`~mcsec.keys.keyring`
(the receiver's side), :mod:`~mcsec.keys.policy` (the one place that decides what may be sent under which key)
and
:mod:`~mcsec.keys.provenance` (who made what, chained by hashes).
"""
