"""Group calls at an MCX server: the controlling function of groups that are homed here, the participating function of
users that are served here (TS 24.379 10.1.1; TS 24.380 4.1, 6.3, 10).

Without sockets or clock: ``groups`` (what a call needs to know of a group), ``states`` and ``controlling`` (a call at
its controlling function), ``subchannel_states``, ``subchannel`` and ``participating`` (the same call as one domain's
users see it), ``copies`` (telling a copy from news), ``events``.

With them: ``bodies`` (what is written into INVITEs), ``uplink`` and ``links`` (SRTCP with clients and with partners),
``legs``, ``focus`` and ``serving`` (the two functions on SIP and UDP), ``air`` (bearers), ``service`` (the whole).
"""
