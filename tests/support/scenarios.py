"""A small scenario for tests: a call across two domains, both ways."""

from __future__ import annotations

SMALL = """
format = "mcsec-scenario/1"
title = "Two domains, three clients"

[domains."a.example"]
clients = ["ann", "amy"]
bearer = { groups = ["rescue"] }

[domains."b.example"]
clients = ["bob"]

[groups.rescue]
home = "b.example"
members = ["ann", "amy", "bob"]

[[steps]]
do = "log-on"
who = ["ann", "amy", "bob"]

[[steps]]
do = "call"
who = "bob"
group = "rescue"

[[steps]]
do = "talk"
who = "bob"
group = "rescue"
seconds = 0.4
heard_by = ["ann", "amy"]
on_bearer = ["ann", "amy"]

[[steps]]
do = "leave"
who = "amy"
group = "rescue"

[[steps]]
do = "talk"
who = "ann"
group = "rescue"
seconds = 0.4
heard_by = ["bob"]
by_unicast = ["bob"]
not_heard_by = ["amy"]

[[steps]]
do = "end"
group = "rescue"

[[steps]]
do = "adversary"
domain = "b.example"
"""

RELEASE_13 = """
format = "mcsec-scenario/1"
title = "The same call three times: an MKFC of our own GMS, none of the partner's, and our own MuSiK"

[domains."a.example"]
clients = ["ann", "amy"]
bearer = { groups = ["own", "far", "new"] }

[domains."b.example"]
clients = ["bob"]

[groups.own]
home = "a.example"
members = ["ann", "amy", "bob"]
release_13 = true

[groups.far]
home = "b.example"
members = ["ann", "amy", "bob"]
release_13 = true
mkfc = false

[groups.new]
home = "b.example"
members = ["ann", "amy", "bob"]

[[steps]]
do = "log-on"
who = ["ann", "amy", "bob"]

[[steps]]
do = "call"
who = "bob"
group = "own"

[[steps]]
do = "talk"
who = "bob"
group = "own"
seconds = 0.4
heard_by = ["ann", "amy"]
on_bearer = ["ann", "amy"]

[[steps]]
do = "end"
group = "own"

[[steps]]
do = "call"
who = "bob"
group = "far"

[[steps]]
do = "talk"
who = "bob"
group = "far"
seconds = 0.4
heard_by = ["ann", "amy"]
by_unicast = ["ann", "amy"]

[[steps]]
do = "end"
group = "far"

[[steps]]
do = "call"
who = "bob"
group = "new"

[[steps]]
do = "talk"
who = "bob"
group = "new"
seconds = 0.4
heard_by = ["ann", "amy"]
on_bearer = ["ann", "amy"]

[[steps]]
do = "end"
group = "new"
"""

REGROUPED = """
format = "mcsec-scenario/1"
title = "Firemen and police of two domains talk to one another, for as long as it takes"

[domains."a.example"]
clients = ["ann", "amy"]
bearer = { groups = ["fire", "police", "joint"] }

[domains."b.example"]
clients = ["bob", "ben"]

[groups.fire]
home = "b.example"
members = ["ann", "bob"]

[groups.police]
home = "b.example"
members = ["amy", "ben"]

[groups.joint]
home = "b.example"
of = ["fire", "police"]

[[steps]]
do = "log-on"
who = ["ann", "amy", "bob", "ben"]

[[steps]]
do = "regroup"
group = "joint"

[[steps]]
do = "call"
who = "bob"
group = "joint"

[[steps]]
do = "talk"
who = "bob"
group = "joint"
seconds = 0.4
heard_by = ["ann", "amy", "ben"]
on_bearer = ["ann", "amy"]

[[steps]]
do = "talk"
who = "amy"
group = "joint"
seconds = 0.4
heard_by = ["ann", "bob", "ben"]

[[steps]]
do = "tear-down"
group = "joint"

[[steps]]
do = "call"
who = "bob"
group = "fire"

[[steps]]
do = "talk"
who = "bob"
group = "fire"
seconds = 0.4
heard_by = ["ann"]
not_heard_by = ["amy", "ben"]

[[steps]]
do = "end"
group = "fire"
"""
