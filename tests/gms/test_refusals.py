"""Bad input at a GMS: each kind its status, one count, and nothing changed."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mcsec.gms import conditions
from mcsec.gms.refusals import GmsRefusal
from mcsec.wire import groups, xcap
from mcsec.wire.xcap import GKTPS, GROUPS, Conflict, Place
from support.gms import ANN, BOB, CHIEF, DAN, GROUP, HOME, PARTNER, SERVER, GmsDomain, document, gms_domain

pytestmark = pytest.mark.anyio
PATH, KEYS = Place(GROUPS, GROUP).path(), Place(GKTPS, GROUP).path()
BOMB = (
    b'<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b'<group xmlns="urn:oma:xml:poc:list-service"><list-service uri="&b;"/></group>'
)
EXTERNAL = b'<!DOCTYPE g [<!ENTITY x SYSTEM "file:///etc/passwd">]><group>&x;</group>'
GOOD = groups.encode(document(ANN, BOB))


async def ask(
    domain: GmsDomain, method: str, path: str, by: str | None = CHIEF, body: bytes = b"", **headers: str
) -> tuple[int, bytes]:
    sent = {"authorization": f"Bearer {domain.token(by)}"} if by is not None else {}
    sent |= {"content-type": groups.CONTENT_TYPE} if method == "PUT" else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    async with domain.http() as http:
        answer = await http.request(method, path, content=body, headers=sent)
    return answer.status_code, answer.content


async def test_who_may_not(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN, BOB))
        before = domain.gms.keeper.head
        other = domain.token(CHIEF, audience="kms.b.example")
        unscoped = domain.token(CHIEF, scopes=["openid"])
        expired = domain.token(CHIEF, now=time.time() - 9000, lifetime=60)
        as_server = domain.token("eve", service_ids=[SERVER])
        # A partner's issuer speaks for its own users only, whatever it says.
        foreign = domain.token(CHIEF, issuer=PARTNER)
        claims_server = domain.token(SERVER, issuer=PARTNER)
        for status, path, token in (
            (401, PATH, "not.a.token"),
            (401, PATH, other),
            (401, PATH, expired),
            (403, PATH, unscoped),
            (403, PATH, as_server),
            (403, PATH, foreign),
            (403, PATH, claims_server),
            (403, KEYS, domain.token(DAN)),
            (403, KEYS, domain.token(CHIEF)),
            (403, PATH, domain.token(DAN)),
            (403, Place(GROUPS, "sip:nothing@b.example").path(), domain.token(DAN)),
            (403, Place(GKTPS, "sip:nothing@b.example").path(), domain.token(ANN)),
        ):
            answer = await ask(domain, "GET", path, None, authorization=f"Bearer {token}")
            assert answer == (status, b""), (status, path)
        assert (await ask(domain, "GET", PATH, None))[0] == 401
        for method in ("PUT", "DELETE"):
            assert (await ask(domain, method, PATH, ANN, GOOD))[0] == 403, "a member is no owner"
            assert (await ask(domain, method, PATH, SERVER, GOOD))[0] == 403
        assert (await ask(domain, "POST", PATH))[0] == 405
        assert (await ask(domain, "PUT", KEYS, CHIEF, GOOD))[0] == 405
        assert domain.gms.keeper.head == before
        counted = domain.gms.observer.metrics().decode()
        for code in ("token.audience", "token.expired", "gms.scope", "gms.identity", "gms.not-a-member"):
            assert f'mcsec_gms_refusals_total{{code="{code}"}}' in counted
        assert "etc/passwd" not in domain.log.getvalue()


async def test_what_is_no_document(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        await domain.put(document(ANN, BOB))
        etag, head = domain.gms.keeper.groups[GROUP].row.etag, domain.gms.keeper.head
        for body, conflict in (
            (b"", Conflict.NOT_WELL_FORMED),
            (b"<group", Conflict.NOT_WELL_FORMED),
            (BOMB, Conflict.NOT_WELL_FORMED),
            (EXTERNAL, Conflict.NOT_WELL_FORMED),
            (b"<a>" * 5000, Conflict.NOT_WELL_FORMED),
            (b"\xff\xfe<a/>", Conflict.NOT_WELL_FORMED),
            (b"<group/>", Conflict.SCHEMA),
            (GOOD.replace(BOB.encode(), ANN.encode()), Conflict.CONSTRAINT),
            (GOOD.replace(GROUP.encode(), b"sip:other@b.example"), Conflict.CONSTRAINT),
        ):
            status, answer = await ask(domain, "PUT", PATH, body=body)
            assert (status, xcap.read_conflict(answer)) == (409, conflict), body[:40]
            assert b"passwd" not in answer
        assert (await ask(domain, "PUT", PATH, body=GOOD + b" " * (1 << 20)))[0] == 413
        assert (await ask(domain, "PUT", PATH, body=GOOD, content_type="text/plain"))[0] == 415
        elsewhere = document(ANN, group=f"sip:rescue@{PARTNER}")
        status, answer = await ask(
            domain, "PUT", Place(GROUPS, elsewhere.uri).path(), body=groups.encode(elsewhere)
        )
        assert (status, xcap.read_conflict(answer)) == (409, Conflict.CONSTRAINT)
        temporary = document(group=f"sip:t@{HOME}", constituents=(GROUP, ANN))
        status, _ = await ask(
            domain, "PUT", Place(GROUPS, temporary.uri).path(), body=groups.encode(temporary)
        )
        assert status == 409
        assert (domain.gms.keeper.groups[GROUP].row.etag, domain.gms.keeper.head) == (etag, head)


async def test_conditions_and_paths(tmp_path: Path) -> None:
    async with gms_domain(tmp_path) as domain:
        etag = await domain.put(document(ANN, BOB))
        head = domain.gms.keeper.head
        assert (await ask(domain, "PUT", PATH, body=GOOD, if_match='"other"'))[0] == 412
        assert (await ask(domain, "PUT", PATH, body=GOOD, if_match=f"W/{etag}"))[0] == 412
        assert (await ask(domain, "PUT", PATH, body=GOOD, if_none_match="*"))[0] == 412
        assert (await ask(domain, "DELETE", PATH, if_match='"other"'))[0] == 412
        assert (await ask(domain, "PUT", PATH, body=GOOD, if_match="nonsense"))[0] == 400
        assert (await ask(domain, "GET", PATH, ANN, if_none_match=f'"x", W/{etag}'))[0] == 304
        assert (await ask(domain, "GET", PATH, ANN, if_match='"other"'))[0] == 412
        for path, status in (
            (f"/xcap-root/{GROUPS}/global/byGroupID/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 400),
            (f"/xcap-root/{GROUPS}/global/byGroupID/a%00b", 400),
            (f"{PATH}/~~/group/list-service", 404),
            (f"/xcap-root/{GROUPS}/users/x/y", 404),
            ("/", 404),
            ("/v1/status", 404),
        ):
            assert (await ask(domain, "GET", path))[0] == status, path
        assert domain.gms.keeper.head == head


def test_a_condition_on_what_is_not_there() -> None:
    assert conditions.check({"if-none-match": "*"}, None, reading=False)
    for wanted in ("*", '"a"'):
        with pytest.raises(GmsRefusal) as caught:
            conditions.check({"if-match": wanted}, None, reading=False)
        assert caught.value.status == 412
