"""Whose directory is it: gpexpand's may go, and nobody else's, whatever it looks like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.planning.places import (
    HostBefore,
    Owner,
    Place,
    PlaceKind,
    Template,
    judge_owner,
    tar_directory,
)

PRIMARY = NewInstance("sdw3", "sdw3", 6000, "/data/primary/gpseg4", 11, 4, "p")
MIRROR = NewInstance("sdw3", "sdw3", 7000, "/data/mirror/gpseg6", 17, 6, "m")
TEMPLATE = Template(frozenset({"PG_VERSION", "base", "global", "pg_hba.conf", "postgresql.conf", "pg_clog"}), 77)
BEFORE = HostBefore(1000.0, {})
# A directory of Greenplum 6.24.3 whose gpexpand was killed when its servers ran.
BUILT = Place(
    PRIMARY.datadir,
    PlaceKind.DIRECTORY,
    "700",
    entries=("PG_VERSION", "base", "global", "gpexpand.pid", "gpexpand.status", "internal.auto.conf.bak", "pg_clog"),
    dbid=11,
)


def owner(place: Place, instance: NewInstance = PRIMARY, before: HostBefore | None = BEFORE) -> Owner:
    return judge_owner(place, instance, before, TEMPLATE)[0]


@pytest.mark.parametrize("before", [BEFORE, None])
@pytest.mark.parametrize(
    "place", [Place("/d", PlaceKind.ABSENT), Place("/d", PlaceKind.DIRECTORY), Place("/d", PlaceKind.DIRECTORY, "755")]
)
def test_where_nothing_is_nothing_can_be_lost(place, before):
    assert owner(place, before=before) is Owner.NOBODY


@pytest.mark.parametrize(
    "place",
    [
        BUILT,
        replace(BUILT, content=4),  # Greenplum 7 writes it there, too
        replace(BUILT, system=77),
        replace(BUILT, dbid=63271, content=0),  # unpacked, and not yet told who it is
        replace(BUILT, dbid=None, entries=("PG_VERSION",)),  # killed while it was unpacked
    ],
)
def test_what_gpexpand_has_built_is_its_own(place):
    assert owner(place) is Owner.GPEXPAND


@pytest.mark.parametrize(
    ("place", "instance", "before"),
    [
        (replace(BUILT, has_older=True), PRIMARY, BEFORE),
        (replace(BUILT, is_readable=False), PRIMARY, BEFORE),
        (replace(BUILT, system=78), PRIMARY, BEFORE),  # another cluster was made there since
        (replace(BUILT, system=78), PRIMARY, None),
        (replace(BUILT, kind=PlaceKind.LINK), PRIMARY, BEFORE),
        (replace(BUILT, kind=PlaceKind.OTHER, entries=()), PRIMARY, BEFORE),
        (replace(BUILT, dbid=None, entries=(*BUILT.entries, "precious.txt")), PRIMARY, BEFORE),
        (replace(BUILT, dbid=3, content=1, entries=(*BUILT.entries, "precious.txt")), PRIMARY, BEFORE),
        # A mirror is made only after the point of no return; before it nothing there can be gpexpand's.
        (replace(BUILT, datadir=MIRROR.datadir, dbid=17), MIRROR, BEFORE),
        # Nobody wrote down what was there before.
        (replace(BUILT, dbid=None), PRIMARY, None),
        (replace(BUILT, dbid=3), PRIMARY, None),
    ],
)
def test_what_is_not_proven_to_be_gpexpands_is_somebody_elses(place, instance, before):
    found, why = judge_owner(place, instance, before, TEMPLATE)
    assert found is Owner.OTHERS
    assert why


@given(
    kind=st.sampled_from([PlaceKind.DIRECTORY, PlaceKind.LINK, PlaceKind.OTHER]),
    entries=st.lists(st.one_of(st.text(min_size=1), st.sampled_from(sorted(TEMPLATE.entries))), min_size=1).map(tuple),
    has_older=st.booleans(),
    is_readable=st.booleans(),
    dbid=st.one_of(st.none(), st.integers(1, 20)),
    content=st.one_of(st.none(), st.integers(0, 20)),
    before=st.sampled_from([BEFORE, None]),
)
def test_nothing_older_than_the_expansion_and_nothing_unknown_is_ever_gpexpands(
    kind, entries, has_older, is_readable, dbid, content, before
):
    place = Place("/d", kind, "700", False, entries, has_older, is_readable, dbid, content)
    if owner(place, before=before) is Owner.GPEXPAND:
        assert kind is PlaceKind.DIRECTORY
        assert not has_older
        assert is_readable
        assert before is not None or dbid == PRIMARY.dbid


def test_what_was_recorded_survives_its_file():
    places = [Place("/a", PlaceKind.ABSENT), Place("/b", PlaceKind.DIRECTORY, "750")]
    before = HostBefore.of(12.5, places)
    assert before == HostBefore.from_dict(before.to_dict()) == HostBefore(12.5, {"/b": "750"})


def test_the_template_goes_where_the_first_primary_will_lie():
    assert tar_directory([MIRROR, PRIMARY]) == "/data/primary"
