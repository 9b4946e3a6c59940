"""A gpexpand that would refuse its options is noticed before anything is done."""

import pytest

from greenplum_expansion.checks.gpexpand import check_gpexpand_options, check_writes_while_building
from greenplum_expansion.cluster.flavors import CLOUDBERRY, GREENPLUM_6, GREENPLUM_7, Flavor, GpexpandOptions, Version


def test_a_gpexpand_with_all_options_is_no_finding() -> None:
    options = GpexpandOptions.parse("gpexpand -i <file> -B <size> -t <dir> -n <number> -a -r | -c")

    assert check_gpexpand_options(options) == []


def test_what_it_does_not_know_is_named() -> None:
    (finding,) = check_gpexpand_options(GpexpandOptions.parse("gpexpand -i <file> [-D <database>] -a -r -c"))

    assert finding.severity == "error"
    assert "-B, -t, -n" in finding.problem


@pytest.mark.parametrize(
    ("flavor", "release", "warned"),
    [
        (GREENPLUM_6, "6.24.3", True),
        (GREENPLUM_6, "6.28.1", False),
        (GREENPLUM_7, "7.0.0", True),
        (GREENPLUM_7, "7.2.0", True),
        (GREENPLUM_7, "7.3.3", False),
        (GREENPLUM_7, "7.10.0", False),
        (CLOUDBERRY, "2.0.0", True),
    ],
)
def test_releases_whose_new_segments_do_not_stand_writes_are_warned_of(
    flavor: Flavor, release: str, warned: bool
) -> None:
    findings = check_writes_while_building(Version(flavor, release))

    assert [finding.severity for finding in findings] == ["warning"] * warned
