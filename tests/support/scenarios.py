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
