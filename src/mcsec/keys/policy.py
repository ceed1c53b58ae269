"""The one place that decides whether something may be sent, and under which key (design 5.1, 5.2).

:func:`decide` answers one :class:`Question` with one :data:`Decision`. There is no decision "send it in
clear": nothing that asks here can put floor control or subchannel control on a bearer unprotected, whatever a
group document says. Media is different, because it is not the server's to protect: the server relays what the
clients protected.

Which key, for floor control on an MBMS subchannel (TS 24.380 13.1 item 3): a MuSiK that names the group, else
the domain's default MuSiK, else, only where the operator set Release 13 mode for the group, its MKFC.
*Association* decides, not usability: a MuSiK that has expired, was revoked, or waits for its successor is not
stood in for by anything but unicast, because whoever was locked out of it may hold the less preferred key.
"""

from __future__ import annotations

from collections.abc import Collection

from mcsec.errors import InvalidValue
from mcsec.ids import PurposeTag
from mcsec.keys.decisions import (
    Broadcast,
    Decision,
    GivenKey,
    GroupRules,
    Question,
    Reason,
    Refuse,
    Relay,
    SenderKeys,
    SendingKey,
    Unicast,
)
from mcsec.keys.key import Key
from mcsec.keys.kinds import Party, Traffic, kind_of, kinds_for

__all__ = [
    "Broadcast",
    "Decision",
    "GivenKey",
    "GroupRules",
    "Question",
    "Reason",
    "Refuse",
    "Relay",
    "SenderKeys",
    "SendingKey",
    "Unicast",
    "decide",
    "explain",
    "unreached",
]


def decide(question: Question, keys: SenderKeys, now: float) -> Decision:
    """What to do with one packet, or with one listener of a broadcast.

    Costs the same however many listen: ask once for the bearer (``listener`` None), then only for those
    listeners that the broadcast does not reach.

    :raises InvalidValue: ``keys`` has a key of the wrong kind or scope in a place; nothing is decided by it.
    """
    if question.traffic.multicast:
        return _multicast(question, keys, now)
    if question.traffic.end_to_end:
        return _end_to_end(question, keys, now)
    if question.traffic is Traffic.SERVER_LINK:
        return _under(keys.spks.get(question.name), PurposeTag.SPK, question.name, Reason.SPK, now)
    client = question.name if question.listener is None else question.listener
    return _under(keys.csks.get(client), PurposeTag.CSK, client, Reason.CSK, now)


def unreached(
    question: Question, decision: Decision, keys: SenderKeys, listeners: Collection[str]
) -> Collection[str]:
    """Those of ``listeners`` for whom :func:`decide` is to be asked one by one: the broadcast does not reach
    them.

    ``question`` is the one about the bearer, and ``decision`` what :func:`decide` just answered. Where nothing goes on
    the bearer, all of them.
    """
    if isinstance(decision, Broadcast):
        return _associated(question, keys)[0].unreached(listeners)
    return listeners


def _multicast(question: Question, keys: SenderKeys, now: float) -> Decision:
    if question.sender is not Party.SERVER:
        return Refuse(Reason.UPLINK_MULTICAST, hint="send it by unicast under the CSK")
    source, why = _associated(question, keys)
    on_bearer = _on_bearer(source, why, question, keys, now)
    listener = question.listener
    if listener is None or on_bearer.reason is Reason.PAUSED:
        return on_bearer
    if isinstance(on_bearer, Broadcast) and source.holds(listener):
        return on_bearer
    if question.traffic is Traffic.SUBCHANNEL_CONTROL:
        # What it says is about the bearer only, so there is nothing to tell one listener instead.
        return Refuse(Reason.NOT_ANNOUNCED, listener, "announce the bearer to it first")
    reason = Reason.KEY_NOT_HELD if isinstance(on_bearer, Broadcast) else on_bearer.reason
    return _under(keys.csks.get(listener), PurposeTag.CSK, listener, reason, now)


def _associated(question: Question, keys: SenderKeys) -> tuple[SendingKey, Reason]:
    """What belongs to the question, and why; nothing is no error here."""
    if question.traffic is Traffic.SUBCHANNEL_CONTROL:
        mscck = keys.msccks.get(question.name)
        return (mscck, Reason.MSCCK) if mscck is not None else (_NOTHING, Reason.NO_KEY)
    names = [name for name in (question.name, question.constituent) if name is not None]
    for name in names:
        if name in keys.musiks:
            return keys.musiks[name], Reason.MUSIK_EXPLICIT
    if None in keys.musiks:
        return keys.musiks[None], Reason.MUSIK_DEFAULT
    at_hand = [name for name in names if name in keys.mkfcs]
    for name in at_hand:
        if name in keys.release_13:
            return keys.mkfcs[name], Reason.MKFC
    if any(name in keys.release_13 for name in names):
        return _NOTHING, Reason.NO_MKFC
    return _NOTHING, Reason.RELEASE_13_OFF if at_hand else Reason.NO_KEY


def _on_bearer(
    source: SendingKey, why: Reason, question: Question, keys: SenderKeys, now: float
) -> Broadcast | Refuse:
    tag = _TAGS.get(why)
    if tag is None:
        return Refuse(
            why, f"nothing to broadcast under for {question.name}", "let the server make a key for it"
        )
    if source.paused:
        return Refuse(Reason.PAUSED)
    key = source.sending
    if key is None or not key.active(now):
        state = f"no {tag.label} is sent under" if key is None else f"{key!r} is not active"
        return Refuse(Reason.NOTHING_TO_SEND_UNDER, state, "make a new key")
    if key.key_id.tag is not tag or not _covers(key, question):
        raise InvalidValue(f"{key!r} stands where a {tag.label} for {question.name} should")
    if Party.SERVER in key.kind.makers and key.maker.domain != keys.domain:
        hint = "this server makes its own key; it needs none from elsewhere"
        return Refuse(Reason.FOREIGN_MAKER, repr(key), hint)
    return Broadcast(key, why)


_NOTHING = GivenKey(None, frozenset())
_TAGS = {
    Reason.MUSIK_EXPLICIT: PurposeTag.MUSIK,
    Reason.MUSIK_DEFAULT: PurposeTag.MUSIK,
    Reason.MKFC: PurposeTag.MKFC,
    Reason.MSCCK: PurposeTag.MSCCK,
}


def _covers(key: Key, question: Question) -> bool:
    covers, constituent = key.scope.covers, question.constituent
    return covers(question.name) or (constituent is not None and covers(constituent))


def _end_to_end(question: Question, keys: SenderKeys, now: float) -> Decision:
    kinds = kinds_for(question.traffic)
    if question.sender is Party.CLIENT:
        key = keys.end_to_end.get(question.name)
        return _under(key, kinds[0].tag, question.name, Reason.END_TO_END, now)
    if question.traffic not in (Traffic.GROUP_MEDIA, Traffic.PRIVATE_MEDIA):
        return Refuse(Reason.OFF_NETWORK)
    if question.mki is None and question.rules.protect_media is False:
        return Relay(Reason.MEDIA_CLEAR_ALLOWED)
    if question.mki is not None and any(kind.named_by(question.mki) for kind in kinds):
        return Relay(Reason.END_TO_END)
    return Refuse(Reason.MEDIA_CLEAR, hint="the sending client must protect its media")


def _under(key: Key | None, tag: PurposeTag, owner: str, reason: Reason, now: float) -> Unicast | Refuse:
    if key is None or not key.active(now):
        state = f"no {tag.label} for {owner}" if key is None else f"{key!r} is not active"
        return Refuse(Reason.NO_KEY, state, f"it travels by {kind_of(tag).travels}")
    if key.key_id.tag is not tag or not key.scope.covers(owner):
        raise InvalidValue(f"{key!r} stands where a {tag.label} for {owner} should")
    return Unicast(key, reason)


def explain(question: Question, decision: Decision) -> str:
    """A decision in words, with code and clause; one line for each thing to know."""
    match decision:
        case Broadcast(key=key):
            what = f"broadcast under {key!r}"
        case Unicast(key=key):
            what = f"unicast under {key!r}"
        case Relay():
            what = "relay as it is"
        case Refuse():
            what = "refuse"
    to = "" if question.listener is None else f", to {question.listener}"
    reason = decision.reason
    lines = [
        f"{question.traffic} of {question.name}{to}: {what}",
        f"because {reason.sentence} ({reason.code})",
    ]
    if isinstance(decision, Refuse):
        lines += [f"in detail: {decision.detail}"] * bool(decision.detail)
        lines += [f"hint: {decision.hint}"] * bool(decision.hint)
    lines += [f"clause: {reason.clause}"] * bool(reason.clause)
    if question.traffic.multicast and question.rules.protect_floor_control is False:
        lines.append(
            "the group document asks for no protection; a bearer carries protected packets all the same"
        )
    return "\n".join(lines)
