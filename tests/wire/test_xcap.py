"""XCAP: paths read in one strict way, refusals and directories written and read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcsec.errors import DecodeError
from mcsec.wire import xcap
from mcsec.wire.xcap import DIRECTORY, GKTPS, GROUPS, Conflict, Listed, Place

GROUP = "sip:rescue@b.example"


@pytest.mark.parametrize("auid", [GROUPS, GKTPS, DIRECTORY])
@given(name=st.from_regex(r"sip:[a-z%+é]{1,9}@b\.example", fullmatch=True))
def test_a_path_names_what_it_was_made_from(auid: str, name: str) -> None:
    place = Place(auid, name)
    assert xcap.parse(place.path().encode()) == place


def test_a_group_id_may_stand_as_it_is() -> None:
    path = f"/xcap-root/{GROUPS}/global/byGroupID/{GROUP}"
    assert xcap.parse(path.encode()) == Place(GROUPS, GROUP)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/{GROUPS}/global/byGroupID/x", "xcap.path"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/../../x", "xcap.path"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/..", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/%2e%2e%2fetc%2fpasswd", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/%ff", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/a%0ab", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/%zz", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/{'x' * 2000}", "xcap.name"),
        (f"/xcap-root/{GROUPS}/global/byGroupID/{GROUP}/~~/group", "xcap.node"),
        (f"/xcap-root/org.other/global/byGroupID/{GROUP}", "xcap.path"),
        (f"/xcap-root//{GROUPS}/global/byGroupID/{GROUP}", "xcap.path"),
        (f"/xcap-root/{GROUPS}/users/{GROUP}/x.xml", "xcap.path"),
    ],
)
def test_paths_that_name_nothing(path: str, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        xcap.parse(path.encode())
    assert caught.value.code == code


@given(st.binary(max_size=80))
def test_any_octets_are_a_path_or_none(octets: bytes) -> None:
    try:
        xcap.parse(b"/xcap-root/org.openmobilealliance.groups/global/byGroupID/" + octets)
    except DecodeError as error:
        assert error.code.startswith("xcap.")


@pytest.mark.parametrize("conflict", Conflict)
def test_a_conflict_is_read_back(conflict: Conflict) -> None:
    assert xcap.read_conflict(xcap.write_conflict(conflict, "why & how")) is conflict


def test_a_directory_is_read_back() -> None:
    listed = (Listed(Place(GROUPS, GROUP), '"1"'), Listed(Place(GKTPS, GROUP), '"2"'))
    assert xcap.read_directory(xcap.write_directory(listed)) == listed


def test_a_directory_may_hold_more_than_is_known() -> None:
    document = xcap.write_directory([Listed(Place(GROUPS, GROUP), '"1"')])
    assert xcap.read_directory(document.replace(b"byGroupID", b"byName")) == ()
