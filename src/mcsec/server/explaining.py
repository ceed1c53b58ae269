"""What would be sent to one client of one group, how, under which key, and why: policy, asked by an operator."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mcsec.ids import PurposeTag
from mcsec.keys.decisions import Broadcast, Decision, GroupRules, Question, Refuse, Relay, Unicast
from mcsec.keys.kinds import Traffic
from mcsec.server.engine import ServerEngine

#: What the MKI of media under a GMK begins with: key ID and GUK-ID; only the purpose tag counts.
_ANY_GMK = bytes([PurposeTag.GMK << 4]) + bytes(7)


@dataclass(frozen=True, slots=True)
class Explained:
    """One class of traffic for one client.

    ``way``: ``broadcast``, ``unicast``, ``relayed`` as it came, or ``nothing``. ``key``, ``kind`` and ``maker`` are
    empty where the server has no key for it. ``listening``: whether the client said that it hears this by a bearer.
    """

    traffic: str
    about: str
    way: str
    key: str
    kind: str
    maker: str
    code: str
    why: str
    clause: str
    hint: str
    listening: bool = False

    def to_dict(self) -> dict[str, object]:
        """For ``--json``."""
        return asdict(self)


def explain(engine: ServerEngine, group: str, client: str, rules: GroupRules, now: float) -> list[Explained]:
    """Every class of traffic that a call of ``group`` has for ``client``, as policy decides at ``now``."""
    hears = engine.listeners.hears(client, group)
    questions = [
        (Question(Traffic.MBMS_FLOOR, group, client, rules=rules), group, hears),
        (Question(Traffic.UNICAST_FLOOR, client), client, False),
        (Question(Traffic.GROUP_MEDIA, group, rules=rules, mki=_ANY_GMK), group, hears),
        (Question(Traffic.SIGNALLING_XML, client), client, False),
    ]
    questions += [
        (
            Question(Traffic.SUBCHANNEL_CONTROL, tmgi, client),
            f"bearer {tmgi}",
            client in rotation.audience.listeners,
        )
        for tmgi, rotation in sorted(engine.keydown.msccks.items())
    ]
    return [
        _row(question, about, hears, engine.decide(question, now)) for question, about, hears in questions
    ]


def _row(question: Question, about: str, listening: bool, decision: Decision) -> Explained:
    key = decision.key if isinstance(decision, Broadcast | Unicast) else None
    reason, hint = decision.reason, decision.hint if isinstance(decision, Refuse) else ""
    detail = decision.detail if isinstance(decision, Refuse) else ""
    return Explained(
        traffic=question.traffic.value,
        about=about,
        way=_WAYS[type(decision)],
        key="" if key is None else str(key.key_id),
        kind="" if key is None else key.kind.tag.label,
        maker="" if key is None else str(key.maker),
        code=reason.code,
        why=f"{reason.sentence}: {detail}" if detail and detail != question.listener else reason.sentence,
        clause=reason.clause,
        hint=hint,
        listening=listening,
    )


_WAYS: dict[type[Decision], str] = {
    Broadcast: "broadcast",
    Unicast: "unicast",
    Relay: "relayed",
    Refuse: "nothing",
}
