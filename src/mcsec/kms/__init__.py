"""The Key Management Server of a domain (TS 33.180 5.3 and annex D).

``engine`` decides, on values and times only, with one file per question: ``access`` (who may have what),
``periods``, ``freshness``, ``trust``. ``ledger`` writes issues and their log in one transaction. ``service`` is the
HTTPS shell for clients, ``admin`` the one for operators.
"""
