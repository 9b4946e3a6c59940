"""Nothing may lie where new segments will lie, and nothing at all where their tablespaces will."""

from __future__ import annotations

import pytest

from greenplum_expansion.checks.input_file import check_tablespace_locations
from greenplum_expansion.checks.planned_directories import PlannedDirectory, check_planned_directories
from greenplum_expansion.cluster.tablespaces import Tablespace
from greenplum_expansion.planning.places import Place, PlaceKind
from tests.unit.checks.test_input_file import GOOD

FREE = Place("/data/primary/gpseg4", PlaceKind.ABSENT)
EMPTY = Place("/data/primary/gpseg4", PlaceKind.DIRECTORY)
FULL = Place("/data/primary/gpseg4", PlaceKind.DIRECTORY, entries=("base", "global"))


@pytest.mark.proves("planned-directories-free")
@pytest.mark.parametrize(
    ("place", "is_tablespace", "said"),
    [
        (FREE, False, ""),
        (EMPTY, False, ""),
        (FULL, False, "it is not free (base, global)"),
        (Place("/x", PlaceKind.LINK), False, "it is not free (link)"),
        (FREE, True, ""),
        (EMPTY, True, "it is to become the tablespace of a new segment, but it exists"),
        (FULL, True, "but it exists"),
    ],
)
def test_data_directories_may_be_empty_tablespaces_may_not_exist(place: Place, is_tablespace: bool, said: str) -> None:
    found = "\n".join(map(str, check_planned_directories([PlannedDirectory("sdw3", place, is_tablespace)])))
    assert (said in found) if said else not found


@pytest.mark.proves("tablespace-locations")
def test_two_tablespaces_in_one_directory_are_refused() -> None:
    two = [Tablespace("a", 1, "/ts"), Tablespace("b", 2, "/ts")]
    found = check_tablespace_locations(GOOD, two, dict.fromkeys((11, 12, 13, 14), ("/ts", "/ts")))
    assert len(found) == 8
    assert found[0].problem == "/ts/11 would hold two tablespaces"


@pytest.mark.proves("tablespace-locations")
def test_a_tablespace_inside_a_data_directory_is_refused() -> None:
    locations = {11: ("/data/primary/gpseg4",), 12: ("/ts",), 13: ("/ts",), 14: ("/ts",)}
    found = check_tablespace_locations(GOOD, [Tablespace("a", 1, "/ts")], locations)
    assert [finding.problem for finding in found] == [
        "its tablespace /data/primary/gpseg4/11 lies in the data directory of primary of content 4 on sdw3:6000"
    ]
