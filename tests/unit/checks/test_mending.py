"""What the requested preparation removes is no error before it."""

import importlib
import pkgutil

import pytest

from greenplum_expansion import checks
from greenplum_expansion.checks.catalogue import catalogue
from greenplum_expansion.checks.finding import Finding, Severity
from greenplum_expansion.checks.host_system import ClockFacts, check_clock
from greenplum_expansion.checks.mending import MENDINGS, note_what_is_mended
from greenplum_expansion.checks.network import check_trust
from greenplum_expansion.request.preparation import PreparationPart

LATE = check_clock(ClockFacts("sdw3", -5.0, 0.0))


def test_an_error_that_will_be_mended_is_noted_with_who_mends_it():
    found = note_what_is_mended(LATE, [PreparationPart.TIME])
    assert [finding.severity for finding in found] == [Severity.NOTE]
    assert str(found[0]) == (
        "NOTE new host sdw3: its clock is 5.0 s behind the coordinator's; prepare_hosts mends it (time)."
    )


def test_it_stays_an_error_if_that_part_is_not_asked_for():
    assert note_what_is_mended(LATE, [PreparationPart.KERNEL]) == LATE


def test_keys_are_exchanged_in_any_case():
    found = note_what_is_mended(check_trust([("sdw3", "mdw")]), [])
    assert "; exchange_keys mends it." in str(found[0])


def test_what_nothing_mends_stays():
    other = Finding(Severity.ERROR, "sdw3", "it is on fire", "put it out", "new-host-architecture")
    assert note_what_is_mended([other], list(PreparationPart)) == [other]


@pytest.mark.parametrize("identifier", sorted(MENDINGS))
def test_every_mending_belongs_to_a_check(identifier):
    for module in pkgutil.iter_modules(checks.__path__):
        importlib.import_module(f"{checks.__name__}.{module.name}")
    assert identifier in {check.identifier for check in catalogue()}
