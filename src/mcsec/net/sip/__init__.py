"""SIP: what an MC server and its clients need of RFC 3261 and its companions.

From the inside out, each file knowing only those before it:

* ``grammar``, ``uri``, ``values``, ``headers``, ``message``, ``framing``: octets to messages and back;
* ``compose``: what each request and response must carry;
* ``timers``, ``machines``, ``effects``, ``transactions``: the four transaction machines as tables, time as an argument;
* ``digest``, ``auth``: digest authentication, both sides;
* ``dialogs``, ``tables``, ``call_states``, ``session_timer``, ``subscription_states``: what calls remember, and others;
* ``registrar``, ``registration``: bindings, and keeping one of them;
* ``window``, ``template``: how fast a fan-out may go, and what it sends.

None of those has a socket or a clock. The shell on asyncio:

* ``udp``, ``streams``, ``clock``, ``transport``: sockets, connections, one timer;
* ``vetting``, ``ways``, ``gates``, ``core``, ``serving``, ``asking``, ``fanout``: requests in and out;
* ``calls``, ``inviting``, ``invited``, ``subscribing``, ``notifying``, ``registering``: what outlives a request;
* ``endpoint``: the one class that the rooms above use.
"""
