"""Windows as asked for in the form: read, refused in words, and turned into a calendar."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from greenplum_expansion.request.windows import Oversize, WindowsSection

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def asked(**fields) -> WindowsSection:
    return WindowsSection.model_validate(fields)


def test_without_windows_it_begins_at_once_and_has_no_end():
    window = asked().calendar().next_window(NOW)
    assert window.start == NOW
    assert not window.has_end


def test_local_times_are_meant_in_the_time_zone():
    section = asked(windows=["22:00-06:00"], time_zone="Europe/Berlin", not_before="2026-11-28 20:00")
    window = section.calendar().next_window(NOW)
    assert window.start == datetime(2026, 11, 28, 21, tzinfo=UTC)


def test_a_time_with_an_offset_of_its_own_is_taken_at_its_word():
    section = asked(time_zone="Europe/Berlin", not_before="2026-11-28T20:00:00Z")
    assert section.calendar().not_before == datetime(2026, 11, 28, 20, tzinfo=UTC)


def test_the_rules_know_the_longest_window():
    section = asked(windows=["22:00-04:00", "Sat 20:00-08:00"], grace_minutes=5, oversize=Oversize.OWN_WINDOW)
    rules = section.window_rules(4, NOW)
    assert (rules.sessions, rules.grace, rules.longest_window, rules.oversize) == (4, 300.0, 12 * 3600, True)


def test_what_the_form_sends_for_empty_fields_is_nothing():
    assert asked(windows=None, excluded_dates=None, not_before="", last_end=None) == asked()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"windows": ["at night"]}, "'at night' is no window"),
        ({"time_zone": "Mars/Olympus"}, "there is no time zone 'Mars/Olympus'"),
        ({"excluded_dates": ["24.12.2026"]}, "'24.12.2026' is no day"),
        ({"not_before": "tomorrow"}, "'tomorrow' is no time"),
        ({"not_before": "2026-12-02", "last_end": "2026-12-01"}, "is not behind 'Not before'"),
        ({"grace_minutes": -1}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(fields, said):
    with pytest.raises(ValidationError, match=said):
        asked(**fields)
