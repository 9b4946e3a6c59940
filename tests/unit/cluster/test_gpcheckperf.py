"""gpcheckperf's output as recorded from a real one, and what it looks like when things go wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenplum_expansion.cluster.gpcheckperf import Link, read_output

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"


def recorded(name: str) -> str:
    return (RECORDINGS / name).read_text()


def test_with_details_every_host_has_its_figure() -> None:
    reading = read_output(recorded("13b_gpcheckperf_ds_v.txt"))

    assert reading.disk_write == {"sdw3": 640.0, "sdw4": 640.0}
    assert reading.disk_read == {"sdw3": 640.0, "sdw4": 640.0}
    assert reading.complaints == ()


def test_without_details_the_slowest_and_the_fastest_host_are_known() -> None:
    reading = read_output(recorded("13_gpcheckperf_ds.txt"))

    assert reading.disk_write == {"sdw4": 640.0}
    assert reading.memory == {"sdw3": 30527.6, "sdw4": 28699.9}


@pytest.mark.parametrize("name", ["14_gpcheckperf_N.txt", "14b_gpcheckperf_n.txt"])
def test_each_direction_of_a_pair_is_a_link(name: str) -> None:
    reading = read_output(recorded(name))

    assert [str(link) for link in reading.links] == ["sdw3 -> sdw4", "sdw4 -> sdw3"]
    assert all(link.mb_s > 1000 for link in reading.links)
    # It had warned about a connection that was fine.
    assert reading.complaints == ()


def test_the_full_matrix_has_sums_by_host() -> None:
    reading = read_output(recorded("14c_gpcheckperf_M.txt"))

    assert reading.sent == {"sdw3": 1477.54, "sdw4": 1441.66}
    assert reading.received == {"sdw3": 1441.66, "sdw4": 1477.54}


def test_without_trust_it_has_no_figures_and_says_why() -> None:
    reading = read_output(recorded("74c_gpcheckperf_no_trust.txt"))

    assert not reading.disk_write
    assert "Unable to ssh to 'sdw5'" in reading.complaints[0]


def test_names_of_all_kinds_are_read() -> None:
    """gpssh fills shorter names up with blanks inside the brackets."""
    reading = read_output(
        "    disk write bandwidth (MB/s): 99.50 [  s1]\n"
        "    disk write bandwidth (MB/s): 1.2e+03 [seg-host-10.rack-2.example]\n"
        "s1 -> seg-host-10.rack-2.example = 12.5\n"
    )

    assert reading.disk_write == {"s1": 99.5, "seg-host-10.rack-2.example": 1200.0}
    assert reading.links == (Link("s1", "seg-host-10.rack-2.example", 12.5),)


def test_what_failed_is_kept_once_and_not_without_end() -> None:
    reading = read_output(
        "[Warning] netperf failed on sdw3 -> sdw4\n" * 9 + "".join(f"[Error] {n}\n" for n in range(99))
    )

    assert reading.complaints[0] == "[Warning] netperf failed on sdw3 -> sdw4"
    assert len(reading.complaints) == 6


def test_anything_else_is_no_figure() -> None:
    assert read_output("disk write bandwidth (MB/s): fast [sdw3]\n-> = 3\n[]\n\x00").disk_write == {}


def test_why_a_connection_failed_is_told_with_it() -> None:
    """A real gpcheckperf 6.24.3 with --duration 2s."""
    said = "duration must be between 5 and 3600 seconds\n[Warning] netperf failed on sdw1 -> sdw2\n"

    assert read_output(said).complaints == (
        "duration must be between 5 and 3600 seconds; [Warning] netperf failed on sdw1 -> sdw2",
    )
