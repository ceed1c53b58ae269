"""mcsec: server-controlled signalling security over MBMS for 3GPP mission critical services.

Read the packages in this order; each imports only from those before it: ``errors``, ``ids``, ``crypto``, ``mikey``,
``keys``, ``wire``, ``net``, ``store``, then one package per functional entity (``kms``, ``gms``, ``server``, ``bmsc``,
``client``), which never import one another, then ``lab``, ``inspect``, ``web`` and ``cli``.
"""

__version__ = "0.1.0"
