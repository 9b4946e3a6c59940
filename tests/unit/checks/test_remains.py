"""What is left is named, with the host and what to do."""

from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.checks.remains import Remains, check_nothing_left


def test_nothing_left_is_not_worth_a_word():
    assert check_nothing_left([Remains("mdw"), Remains("sdw1")], {}) == []


def test_everything_left_is_told_as_a_warning():
    found = check_nothing_left(
        [Remains("sdw3", ("77 gpexpand -i x",), ("/data/gpexpand_schema.tar",), ("/data/primary/gpseg4",))],
        {"sdw4": "no answer"},
    )
    assert {finding.severity for finding in found} == {Severity.WARNING}
    assert {finding.check for finding in found} == {"nothing-left"}
    text = "\n".join(map(str, found))
    assert "WARNING sdw4: it could not be looked at: no answer." in text
    assert "WARNING sdw3: process 77 gpexpand -i x still runs." in text
    assert "a server runs in /data/primary/gpseg4, which the catalog does not know. Remedy: look at its log" in text
    assert "/data/gpexpand_schema.tar is left of gpexpand. Remedy: delete it." in text
