"""Disk space is added up per filesystem, and the remedy is computed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.checks.capacity import (
    Filesystem,
    Growth,
    Load,
    Resident,
    TableShare,
    check_disk_space,
    moves_that_fit,
    peak_bytes,
)
from greenplum_expansion.checks.finding import Severity

GIB = 1024**3
GROWTH = Growth(segments_before=4, segments_after=8, table_bytes=400 * GIB, coordinator_bytes=GIB)


def resident(name: str, *gibibytes: float) -> Resident:
    shares = tuple(TableShare(f"dwh.t{n}", int(size * GIB)) for n, size in enumerate(gibibytes))
    return Resident(name, (Load(shares, sum(share.size_bytes for share in shares)),))


def filesystem(free: float, *residents: Resident, **more: object) -> Filesystem:
    return Filesystem("sdw1", "/data1", int(free * GIB), residents, **more)


def test_two_segments_on_one_filesystem_are_added_up() -> None:
    """Each move writes half a table anew on an old segment, when the number of segments doubles."""
    disk = filesystem(9, resident("primary of content 0", 10, 4, 2), resident("mirror of content 2", 10, 4, 2))
    assert peak_bytes(disk, GROWTH, 1) == 10 * GIB
    assert peak_bytes(disk, GROWTH, 2) == 14 * GIB
    assert peak_bytes(disk, GROWTH, 9) == 16 * GIB


def test_too_little_room_is_told_with_the_moves_that_fit_and_what_to_free() -> None:
    disk = filesystem(12, resident("primary of content 0", 10, 4, 2), resident("mirror of content 2", 10, 4, 2))
    (finding,) = check_disk_space([disk], GROWTH, 3)
    assert finding.severity is Severity.ERROR
    assert finding.subject == "sdw1:/data1"
    assert "16.0 GiB needed (new copies of dwh.t0, dwh.t1, dwh.t2 on 2 instances), 12.0 GiB free" in finding.problem
    assert finding.remedy == "move at most 1 of them at a time, or free 4.0 GiB"
    assert finding.check == "disk-space"


def test_where_not_even_one_table_fits_fewer_moves_are_not_advised() -> None:
    (finding,) = check_disk_space([filesystem(4, resident("primary of content 0", 10))], GROWTH, 3)
    assert finding.remedy == "free 1.0 GiB; moving fewer tables at a time does not suffice"


def test_a_filesystem_that_would_be_nearly_full_is_a_warning() -> None:
    (finding,) = check_disk_space([filesystem(5.5, resident("primary of content 0", 10))], GROWTH, 1)
    assert finding.severity is Severity.WARNING
    assert "log and sorting may fill the rest" in finding.problem


def test_new_hosts_need_room_for_their_share_of_everything() -> None:
    new = Filesystem("sdw5", "/data", 100 * GIB, arriving=("primary of content 4", "mirror of content 5"))
    (finding,) = check_disk_space([new], GROWTH, 4)
    assert "2 new instances of 51.0 GiB each" in finding.problem
    assert finding.remedy == "free 2.0 GiB"


def test_template_and_tar_file_on_one_filesystem_of_the_coordinator_are_added_up() -> None:
    disk = Filesystem("mdw", "/", GIB, fixed={"gpexpand's template": GIB, "its tar file": GIB})
    (finding,) = check_disk_space([disk], GROWTH, 4)
    assert "2.0 GiB needed (gpexpand's template 1.0 GiB; its tar file 1.0 GiB), 1.0 GiB free" in finding.problem


def test_enough_room_is_one_note_about_the_fullest() -> None:
    roomy = filesystem(1000, resident("primary of content 0", 10))
    (finding,) = check_disk_space([roomy, replace(roomy, host="sdw2", free_bytes=500 * GIB)], GROWTH, 4)
    assert finding.severity is Severity.NOTE
    assert finding.subject == "sdw2:/data1"
    assert check_disk_space([], GROWTH, 4) == []


sizes = st.lists(st.integers(0, 10**12), max_size=8).map(lambda found: tuple(sorted(found, reverse=True)))


@given(sizes, sizes, st.integers(0, 10**13), st.integers(1, 96))
def test_the_advised_number_of_moves_fits_and_one_more_does_not(
    first: tuple[int, ...], second: tuple[int, ...], free: int, wished: int
) -> None:
    residents = tuple(
        Resident(f"r{number}", (Load(tuple(TableShare("t", size) for size in found), sum(found)),))
        for number, found in enumerate((first, second))
    )
    disk = Filesystem("h", "/d", free, residents)
    fit = moves_that_fit(disk, GROWTH, wished)
    assert fit == 0 or peak_bytes(disk, GROWTH, fit) <= free
    assert fit == wished or peak_bytes(disk, GROWTH, fit + 1) > free
