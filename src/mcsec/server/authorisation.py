"""Service authorisation by REGISTER or PUBLISH (TS 24.379 7.3), with CSK upload; log-off (7.3.5).

An access token says who somebody is; the signature of the CSK upload says it again, and both must agree. What binds
IMPU, MC service ID, client ID and CSK is made only when everything was checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcsec.crypto.secret import Secret
from mcsec.errors import DecodeError, InvalidValue, Refused
from mcsec.keys.key import Key
from mcsec.mikey.message import IMessage
from mcsec.net.tokens import Claims
from mcsec.server.events import ClientAuthorised, ClientLeft
from mcsec.server.function import CskLookup, Done, Function
from mcsec.server.users import User
from mcsec.store import deliveries, server
from mcsec.store.server import StoredUser
from mcsec.wire import mc_bodies, mikey_body, multipart
from mcsec.wire.multipart import Part

_LONGEST_ID = 512


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a client says that it is, before its token is looked at. ``csk`` opened and verified, and not taken yet."""

    token: Secret
    mc_service_id: str | None
    client_id: str
    csk: Key | None

    def bearer(self) -> str:
        """The token as text, for whoever verifies it.

        :raises DecodeError: it is no text.
        """
        try:
            return self.token.reveal().decode("ascii")
        except UnicodeDecodeError:
            raise DecodeError("an access token that is no text", code="token.malformed") from None


def read(function: Function, parts: Sequence[Part], now: float) -> Claim | None:
    """What a REGISTER or PUBLISH claims; None: it claims nothing, for there is no access token.

    A CSK in the same message protects that message's XML, so it is opened first. Its signer is whom it names, and
    :func:`authorise` refuses it unless the token names the same.

    :raises PeerError: a part is broken, the upload does not open, or the XML is not as its protection says.
    """
    carried = multipart.first(parts, mikey_body.CONTENT_TYPE)
    csk = None if carried is None else _csk(function, mikey_body.decode(carried), now)
    keys = None
    if csk is not None:
        (owner,) = csk.scope.names
        keys = CskLookup([csk], owner)
    protected = csk is not None and function.settings.protection
    body = mc_bodies.read(parts, keys, protected=protected)
    token, user, client = body.info.access_token, body.info.request_uri, body.info.client_id
    if token is None:
        if csk is not None:
            raise Refused(
                "a CSK without an access token", code="server.not-authorised", clause="TS 24.379 7.3.2"
            )
        return None
    if (
        not isinstance(token, Secret)
        or not isinstance(user, str | None)
        or not isinstance(client, str | None)
    ):
        raise Refused(
            "values are encrypted under no key that was uploaded",
            code="server.unknown-csk",
            clause="TS 24.379 6.6.2",
        )
    if client is None or not 0 < len(client) <= _LONGEST_ID:
        raise DecodeError("no MCPTT client ID", code="server.client-id", clause="TS 24.379 7.3.2")
    return Claim(token, user, client, csk)


def authorise(function: Function, claim: Claim, claims: Claims, impu: str) -> str:
    """The MC service ID that the token gives to the sender; nothing has changed yet.

    :raises Refused: the token is for nothing of ours, the CSK is somebody else's, or ``impu`` belongs to another user.
    """
    settings = function.settings
    if settings.scopes and settings.scopes.isdisjoint(claims.scopes):
        raise _unauthorised("the token is not for this service")
    owner = None
    if claim.csk is not None:
        (owner,) = claim.csk.scope.names
    elif settings.csk_required and impu_csk(function, impu) is None:
        raise _unauthorised("a CSK must be uploaded")
    # A token may name several MC service IDs. Which of them is meant, the upload or the request says.
    wanted = owner or claim.mc_service_id or (claims.service_ids[0] if len(claims.service_ids) == 1 else None)
    if wanted is None or wanted not in claims.service_ids or claim.mc_service_id not in (None, wanted):
        raise _unauthorised("the token is not for this MC service ID, or the CSK is not this user's")
    function.users.check(wanted, impu)
    return wanted


def bind(
    function: Function,
    claim: Claim,
    user: str,
    impu: str,
    expires: float,
    now: float,
    *,
    contact: str = "",
    path: tuple[str, ...] = (),
) -> Done:
    """Bind it all, once it was checked; what the user is to hold is sent to it now."""
    before = function.users.get(user)
    groups = before.groups if before is not None else frozenset[str]()
    function.users.put(User(user, impu, claim.client_id, expires, groups))
    done = Done([], [server.put_user(StoredUser(user, impu, claim.client_id, expires, contact, path))])
    csk = claim.csk
    if csk is not None:
        done += function.done(function.engine.take_csk(user, csk, now), function.csk_write(user, csk))
    done.writes.append(deliveries.unpark(user, now))
    for bearer in function.bearers.values():
        if not bearer.withdrawn and bearer.serves(groups):
            wanted = function.engine.admit_to_bearer(user, bearer.tmgi)
            done.writes += [deliveries.wish(user, key_id, now) for key_id in wanted]
    done.events.append(ClientAuthorised(now, user, impu, claim.client_id, csk.key_id if csk else None))
    return done


def refresh(
    user: User, expires: float, now: float, *, contact: str = "", path: tuple[str, ...] = ()
) -> tuple[User, Done]:
    """The same binding for longer, or with another contact; what waited for a way to the client goes now."""
    renewed = User(user.mc_service_id, user.impu, user.client_id, expires, user.groups)
    stored = StoredUser(user.mc_service_id, user.impu, user.client_id, expires, contact, path)
    return renewed, Done([], [server.put_user(stored), deliveries.resume(user.mc_service_id, now)])


def log_off(function: Function, user: User, reason: str, now: float) -> Done:
    """The binding ends: CSK, affiliations, listening and what is still to be delivered go with it."""
    function.users.drop(user.mc_service_id)
    happened = function.engine.release(user.mc_service_id, None, now)
    happened += function.engine.drop_csk(user.mc_service_id, reason, now)
    done = function.done(happened, *server.drop_user(user.mc_service_id))
    done.events.append(ClientLeft(now, user.mc_service_id, reason))
    return done


def impu_csk(function: Function, impu: str) -> Key | None:
    """The CSK of the user of an IMPU, where there is one."""
    user = function.users.of_impu(impu)
    return None if user is None else function.engine.csks.held.get(user.mc_service_id)


def _csk(function: Function, octets: bytes, now: float) -> Key:
    try:
        initiator = IMessage.decode(octets).initiator.uri
        if not initiator:
            raise _unauthorised("the CSK upload names no user")
        return function.engine.read_csk(initiator, octets, now)
    except InvalidValue as error:
        # The name that it gives is no name.
        raise Refused(f"the CSK upload: {error}", code="mikey.wrong-sender", clause="TS 33.180 5.4") from None


def _unauthorised(reason: str) -> Refused:
    return Refused(
        reason,
        code="server.not-authorised",
        clause="TS 24.379 7.3.2",
        hint="log in again, and upload the CSK of the user that the token names",
    )
