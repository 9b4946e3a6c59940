"""Recognising a server by what `SELECT version()` returns."""

import pytest

from greenplum_expansion.cluster.flavors import (
    CLOUDBERRY,
    FAMILY,
    GREENPLUM_5,
    GREENPLUM_6,
    GREENPLUM_7,
    MATRIXDB,
    Support,
    parse_version,
    sql_variant,
)

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
