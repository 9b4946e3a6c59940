"""Recognising a server by what `SELECT version()` returns."""

from pathlib import Path

import pytest

from greenplum_expansion.cluster.flavors import (
    CLOUDBERRY,
    FAMILY,
    GREENPLUM_5,
    GREENPLUM_6,
    GREENPLUM_7,
    MATRIXDB,
    GpexpandOptions,
    Support,
    parse_version,
    sql_variant,
)

RECORDINGS = Path(__file__).resolve().parents[2] / "recordings"

# Recording 03_version; the seed documents; release notes of the others.
GREENPLUM_6_24 = (
    "PostgreSQL 9.4.26 (Greenplum Database 6.24.3 build commit:25d3498a400ca5230e81abb94861f23389315213) on "
    "x86_64-unknown-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit"
)


@pytest.mark.parametrize(
    ("text", "flavor", "release"),
    [
        (GREENPLUM_6_24, GREENPLUM_6, "6.24.3"),
        ("PostgreSQL 9.4.24 (Greenplum Database 6.7.0 build commit:2fbc274) on x86_64", GREENPLUM_6, "6.7.0"),
        ("PostgreSQL 8.3.23 (Greenplum Database 5.29.1 build commit:x) on x86_64", GREENPLUM_5, "5.29.1"),
        ("PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:x) on x86_64", GREENPLUM_7, "7.1.0"),
        (
            "PostgreSQL 12 (MatrixDB 5.0.0-enterprise~alpha) (Greenplum Database 7.0.0 build dev) on x86_64",
            MATRIXDB,
            "5.0.0",
        ),
        ("PostgreSQL 14.4 (Apache Cloudberry 2.0.0 build 1) on x86_64", CLOUDBERRY, "2.0.0"),
        ("PostgreSQL 14.4 (Cloudberry Database 1.5.4+dev build dev) on x86_64", CLOUDBERRY, "1.5.4"),
    ],
)
def test_a_member_of_the_family_is_recognised(text, flavor, release):
    version = parse_version(text)
    assert version is not None
    assert (version.flavor, version.release) == (flavor, release)


def test_plain_postgresql_is_not_of_the_family():
    assert parse_version("PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu") is None


def test_a_later_greenplum_is_refused_by_its_number():
    version = parse_version("PostgreSQL 16.1 (Greenplum Database 8.0.0 build commit:x) on x86_64")
    assert version is not None
    assert (version.flavor.name, version.flavor.is_supported) == ("Greenplum 8", False)


def test_only_what_was_run_counts_as_proved():
    assert [flavor.name for flavor in FAMILY if flavor.support is Support.PROVED] == ["Greenplum 6"]


@pytest.mark.parametrize("flavor", [flavor for flavor in FAMILY if flavor.support is not Support.PROVED], ids=str)
def test_whatever_is_not_proved_says_what_to_expect_of_it(flavor):
    assert flavor.reservation


@pytest.mark.parametrize(
    ("server_version", "variant"), [(80323, ""), (90426, ""), (110000, ""), (120012, "gp7"), (140004, "gp7")]
)
def test_the_statements_follow_the_catalogs_of_the_server(server_version, variant):
    assert sql_variant(server_version) == variant


def _said(*recordings: str) -> str:
    return "".join((RECORDINGS / name).read_text(encoding="utf-8") for name in recordings)


def test_the_recorded_greenplum_7_is_recognised():
    version = parse_version(_said("greenplum7/03_version.txt"))
    assert version is not None
    assert (version.flavor, version.release) == (GREENPLUM_7, "7.0.0")


@pytest.mark.parametrize(
    "recordings",
    [
        ["22d_gpexpand_help.txt"],
        ["greenplum7/22_gpexpand_help.txt"],
        ["greenplum7/22_gpexpand_help.txt", "greenplum7/22b_gpexpand_options.txt"],
    ],
)
def test_gpexpand_of_6_24_3_and_7_0_0_has_what_we_need_and_measures_unasked(recordings):
    options = GpexpandOptions.parse(_said(*recordings))
    assert options.missing == ()
    assert options.progress == ()


def test_a_gpexpand_that_measures_only_if_asked_is_asked():
    # The manuals of the newest releases of 6 and 7: docs.vmware.com, utility_guide-ref-gpexpand.
    manual = """gpexpand [{-f|--hosts-file} <hosts_file>]
        | {-i|--input} <input_file> [-B <batch_size>]
        | [{-d | --duration} <hh:mm:ss> | {-e|--end} '<YYYY-MM-DD hh:mm:ss>']
          [-a|-analyze]
          [-n  <parallel_processes>]
        | {-r|--rollback}
        | {-c|--clean}
        [-v|--verbose] [-s|--silent]
        [{-t|--tardir} <directory> ]
        [-D|--detailed-progress ]
        [-S|--simple-progress ]"""
    options = GpexpandOptions.parse(manual)
    assert options.missing == ()
    assert options.progress == ("--detailed-progress",)


def test_a_database_is_no_way_of_measuring():
    assert GpexpandOptions.parse("gpexpand -f hosts_file [-D database_name]").progress == ()


def test_options_that_are_not_there_are_named():
    assert GpexpandOptions.parse("gpexpand -i file -B 16 -n 4 -a --rollback -c").missing == ("-t", "-r")
