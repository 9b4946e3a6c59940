"""What may be said about sessions, and that a role's name is data wherever it ends up."""

from __future__ import annotations

import pytest

from greenplum_expansion.errors import InvalidRequest
from greenplum_expansion.request import CatalogCheck, ExpansionRequest, SessionsChoice, parse_request

HOSTS = {"new_hosts": ["sdw3", "sdw4"]}


def test_sessions_are_left_alone_and_catalogs_looked_at_quickly_unless_asked_otherwise() -> None:
    request = parse_request(ExpansionRequest, HOSTS)
    assert request.sessions is SessionsChoice.GO_ON
    assert request.catalog_check is CatalogCheck.QUICK
    assert request.protected_roles == ()


def test_roles_come_as_lines_of_the_form() -> None:
    request = parse_request(ExpansionRequest, {**HOSTS, "protected_roles": [" etl ", "", "Mixed Case"]})
    assert request.protected_roles == ("etl", "Mixed Case")
    assert parse_request(ExpansionRequest, {**HOSTS, "protected_roles": None}).protected_roles == ()


@pytest.mark.parametrize("role", ["a'; DROP TABLE t; --", '"; $(touch /tmp/x)', "`id`", "角色", "a b", "x|y:z"])
def test_a_strange_name_is_kept_as_it_is(role: str) -> None:
    """It is only ever compared with what pg_stat_activity says."""
    assert parse_request(ExpansionRequest, {**HOSTS, "protected_roles": [role]}).protected_roles == (role,)


@pytest.mark.parametrize("role", ["a\nb", "a\x00b", "a\x1b[31m", "x" * 64])
def test_what_can_be_no_role_is_refused(role: str) -> None:
    with pytest.raises(InvalidRequest, match=r"Protected roles: .* is not the name of a role"):
        parse_request(ExpansionRequest, {**HOSTS, "protected_roles": [role]})


@pytest.mark.parametrize(("field", "value"), [("sessions", "kill"), ("catalog_check", ""), ("sessions_patience", 0)])
def test_other_values_are_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_request(ExpansionRequest, {**HOSTS, field: value})
