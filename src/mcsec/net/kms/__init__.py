"""The KMS client that every entity uses: ``exchange`` reads and writes protected documents and checks received keys,
``book`` knows the KMS of each domain, ``client`` is the shell with connections, tokens and retries.
"""
