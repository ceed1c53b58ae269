"""Between a key as it lives here and a key as an I_MESSAGE carries it (TS 33.180 5.2, annex E).

Whoever hands out keys writes them with :func:`write`, whoever receives them reads them with :func:`read`; so
scope, times and RAND mean the same on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcsec.errors import InvalidValue, Refused
from mcsec.ids import PurposeTag
from mcsec.keys.key import DEFAULT, Key, Maker, Scope
from mcsec.mikey.build import SHORTEST, Form, Initiator, Recipient, build_many
from mcsec.mikey.distribution import KeyDistribution
from mcsec.mikey.open import Opened
from mcsec.mikey.parameters import NOT_REVOKED, KeyParameters

__all__ = ["read", "write"]


def write(
    key: Key,
    initiator: Initiator,
    recipients: Sequence[Recipient],
    now: float,
    *,
    revoked: bool = False,
    form: Form = SHORTEST,
    threads: int = 1,
) -> list[bytes]:
    """One I_MESSAGE for each recipient, in order, all around the same key and RAND.

    The key parameters say scope and times; ``revoked`` tells the holders that the key must not be used any
    more.
    """
    parameters = KeyParameters(
        kind=key.key_id.tag,
        status=0 if revoked else NOT_REVOKED,
        activation=None if key.activation == key.created else int(key.activation),
        expiry=None if key.expiry is None else int(key.expiry),
        groups=key.groups,
    )
    return build_many(
        KeyDistribution(key.key_id, key.secret, key.rand),
        initiator,
        recipients,
        now,
        parameters=parameters,
        form=form,
        threads=threads,
    )


def read(opened: Opened, domain: str, scope: Scope | None = None) -> Key:
    """The key that a verified message brought.

    :param domain: the MC domain that the sender belongs to.
    :param scope: what the carrier says the key is for, where the message itself does not: the bearer's TMGI
        for an MSCCK, the user for a CSK.
    :raises Refused: ``keys.no-scope`` neither message nor carrier says what the key is for; ``keys.no-key`` what
        they say of it cannot be, as an expiry before the activation.
    """
    parameters = opened.parameters
    groups = parameters.groups if parameters is not None else ()
    if groups:
        scope = Scope.of(*groups)
    elif opened.kind is PurposeTag.MUSIK:
        # A MuSiK without groups is the domain's default (docs/readings/keys.md).
        scope = DEFAULT
    elif scope is None:
        raise Refused(
            f"nothing says what the {opened.kind.label} {opened.key_id} is for",
            code="keys.no-scope",
            clause="TS 33.180 E.6.1",
        )
    activation = parameters.activation if parameters is not None else None
    try:
        return Key(
            key_id=opened.key_id,
            secret=opened.key,
            rand=opened.rand,
            scope=scope,
            maker=Maker(domain, opened.initiator or "a hidden sender"),
            # Nobody told when the key was made. The time of the message would not do: it differs from one delivery
            # to the next, and a key that comes twice must be the same one.
            created=0.0,
            # Without an activation time the key is active at once; the receiver's clock may be behind the sender's.
            activation=0.0 if activation is None else float(activation),
            expiry=parameters.expiry if parameters is not None else None,
        )
    except InvalidValue as error:
        # The sender is authentic, and may be wrong all the same: its fault, not ours.
        raise Refused(str(error), code="keys.no-key", clause="TS 33.180 E.6.1") from None
