"""Names at the border: what would end in a shell or break gpexpand's files never gets in."""

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.cluster.names import expansion_id, quote_identifier, validate_directory, validate_hostname


@given(st.text())
def test_an_accepted_host_name_needs_no_quoting_anywhere(text):
    try:
        name = validate_hostname(text)
    except ValueError:
        return
    assert shlex.quote(name) == name
    assert not set(name) & set("|:= ")
    assert not name.startswith("-")


@pytest.mark.parametrize("name", ["sdw7", "sdw7.example.com", "sdw-7_b", "10.0.0.7"])
def test_a_host_is_called_by_name_with_or_without_domain_or_by_address(name):
    assert validate_hostname(f" {name} ") == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fd00::7", "as ':' separates fields in gpexpand's files; give it one, as name=fd00::7"),
        ("[fd00::7]", "give it one, as name=fd00::7"),
        ("10.0.0.300", "neither a host name nor an IP address"),
        ("10.0.7", "neither a host name nor an IP address"),
        ("sdw7:22", "is not a host name"),
        ("-sdw7", "no leading '-'"),
        ("", "a host name is empty"),
    ],
)
def test_what_gpexpand_cannot_carry_as_a_name_is_refused_with_what_to_write(name, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        validate_hostname(name)


@given(st.text().map(lambda t: "/" + t))
def test_an_accepted_directory_can_be_carried_by_gpexpand(text):
    try:
        path = validate_directory(text)
    except ValueError:
        return
    assert path.startswith("/")
    assert len(path) > 1
    assert not set(path) & set("|: \t\n'\"$`;&*")


@given(st.text(), st.text())
def test_different_runs_have_different_directories_without_colons(one, other):
    assert ":" not in expansion_id(one)
    assert "/" not in expansion_id(one)
    assert not expansion_id(one).startswith((".", "-"))
    if one != other:
        assert expansion_id(one) != expansion_id(other)


def test_an_airflow_run_id_stays_readable():
    assert expansion_id("manual__2026-11-20T09:00:00+00:00").startswith("manual__2026-11-20T09-00-00-00-00-")


def test_identifiers_are_quoted_as_the_server_does():
    assert [quote_identifier(n) for n in ("orders", "Select", 'a"b', "1st")] == [
        "orders",
        '"Select"',
        '"a""b"',
        '"1st"',
    ]
