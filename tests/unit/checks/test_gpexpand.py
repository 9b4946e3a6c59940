"""A gpexpand that would refuse its options is noticed before anything is done."""

from greenplum_expansion.checks.gpexpand import check_gpexpand_options
from greenplum_expansion.cluster.flavors import GpexpandOptions


def test_a_gpexpand_with_all_options_is_no_finding() -> None:
    options = GpexpandOptions.parse("gpexpand -i <file> -B <size> -t <dir> -n <number> -a -r | -c")

    assert check_gpexpand_options(options) == []


def test_what_it_does_not_know_is_named() -> None:
    (finding,) = check_gpexpand_options(GpexpandOptions.parse("gpexpand -i <file> [-D <database>] -a -r -c"))

    assert finding.severity == "error"
    assert "-B, -t, -n" in finding.problem
