"""The KMS interface of TS 33.180 annex D: requests, responses, certificates and key sets.

``model`` has the values, ``encode`` and ``decode`` the documents, ``schema.xsd`` the grammar that every request
is held to.
"""
