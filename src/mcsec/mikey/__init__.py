"""How a key is written down: MIKEY-SAKKE I_MESSAGEs (TS 33.180 annex E), made and opened.

Read :mod:`~mcsec.mikey.numbers`, then the payloads (:mod:`~mcsec.mikey.header`,
:mod:`~mcsec.mikey.payloads`, :mod:`~mcsec.mikey.extensions`) and the whole :mod:`~mcsec.mikey.message`; then
what is done with them: :mod:`~mcsec.mikey.distribution` and :mod:`~mcsec.mikey.build` on the sender's side,
:mod:`~mcsec.mikey.open` on the receiver's, with :mod:`~mcsec.mikey.refusals` as the list of everything it can
refuse.
"""
