"""Windows as a DBA writes them, on a clock that is changed twice a year."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.windows import Calendar, Window, WindowRule, parse_rules, parse_zone

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(*rules: str, **options) -> Calendar:
    return Calendar(parse_rules(rules), **{"zone": BERLIN, **options})


def spans(made: Calendar, after: str, count: int = 3) -> list[tuple[str, str]]:
    return [
        (w.start.strftime("%m-%dT%H:%M"), w.end.strftime("%m-%dT%H:%M"))
        for w in islice(made.windows(utc(after)), count)
    ]


@pytest.mark.parametrize(
    ("text", "cron", "hours"),
    [
        ("22:00-06:00", "0 22 * * *", 8),
        ("Mon-Fri 22:00-06:00", "0 22 * * mon,tue,wed,thu,fri", 8),
        ("fri-mon 20:30-04:00", "30 20 * * fri,sat,sun,mon", 7.5),
        ("Sat, Sun 00:00-24:00", "0 0 * * sat,sun", 24),
        ("0 22 * * 1-5 for 8h", "0 22 * * 1-5", 8),
        ("*/30 1  * * * FOR 10 min", "*/30 1 * * *", 1 / 6),
        ("0 20 * * 5 for 1h 30m", "0 20 * * 5", 1.5),
    ],
)
def test_rules_are_written_as_people_write_them(text, cron, hours):
    assert WindowRule.parse(text) == WindowRule(cron, timedelta(hours=hours))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no window"),
        ("at night", "is no window"),
        ("25:00-26:00", "25:00 is no time of day"),
        ("Mon-Fun 22:00-06:00", "is no day of the week"),
        ("0 22 * * 1-5 for 0h", "is no duration"),
        ("0 22 * * 1-5 for 200h", "is no duration"),
        ("0 22 * * for 8h", "is no window"),
        ("0 99 * * 1 for 8h", "is no cron expression"),
        ("0 0 30 2 * for 8h", "names no day that ever comes"),
    ],
)
def test_what_is_no_window_is_refused_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=said):
        WindowRule.parse(text)


def test_an_unknown_time_zone_is_refused():
    with pytest.raises(ValueError, match="there is no time zone 'Europe/Atlantis'"):
        parse_zone("Europe/Atlantis")
    with pytest.raises(ValueError, match="there is no time zone"):
        parse_zone("../../etc/passwd")


def test_the_window_under_way_is_the_next_one():
    night = calendar("22:00-06:00")
    assert night.next_window(utc("2026-11-20T23:30")) == Window(utc("2026-11-20T21:00"), utc("2026-11-21T05:00"))
    assert night.next_window(utc("2026-11-21T05:00")) == Window(utc("2026-11-21T21:00"), utc("2026-11-22T05:00"))


def test_in_spring_the_night_has_an_hour_less_and_ends_on_the_same_clock():
    assert spans(calendar("22:00-06:00"), "2026-03-28T12:00", 2) == [
        ("03-28T21:00", "03-29T04:00"),
        ("03-29T20:00", "03-30T04:00"),
    ]


def test_in_autumn_the_night_has_an_hour_more():
    assert spans(calendar("22:00-06:00"), "2026-10-24T12:00", 1) == [("10-24T20:00", "10-25T05:00")]


def test_a_start_that_the_clock_skips_is_right_after_the_skipped_hour():
    assert spans(calendar("02:30-04:00"), "2026-03-28T12:00", 1) == [("03-29T01:30", "03-29T02:00")]


def test_of_a_start_that_comes_twice_the_first_is_meant():
    assert spans(calendar("02:30-04:00"), "2026-10-24T12:00", 1) == [("10-25T00:30", "10-25T03:00")]


def test_windows_that_touch_or_overlap_are_one():
    assert spans(calendar("22:00-02:00", "02:00-06:00", "01:00-03:00"), "2026-11-20T12:00", 1) == [
        ("11-20T21:00", "11-21T05:00")
    ]


def test_no_window_begins_on_an_excluded_day():
    made = calendar("22:00-06:00", excluded=frozenset({date(2026, 12, 24), date(2026, 12, 31)}))
    assert spans(made, "2026-12-24T12:00", 1) == [("12-25T21:00", "12-26T05:00")]


def test_nothing_moves_from_the_last_end_on():
    made = calendar("22:00-06:00", last_end=utc("2026-11-22T00:00"))
    assert spans(made, "2026-11-20T12:00", 9) == [("11-20T21:00", "11-21T05:00"), ("11-21T21:00", "11-22T00:00")]


def test_without_rules_there_is_one_window_without_an_end():
    window = Calendar(not_before=utc("2026-11-21T00:00")).next_window(utc("2026-11-20T12:00"))
    assert window.start == utc("2026-11-21T00:00")
    assert not window.has_end
    assert Calendar().longest_seconds(utc("2026-11-20T12:00")) == float("inf")


def test_rules_that_leave_no_gap_make_one_window_without_an_end():
    assert not calendar("00:00-24:00").next_window(utc("2026-11-20T12:00")).has_end


def test_the_longest_window_is_found_among_several_rules():
    made = calendar("Mon-Fri 22:00-04:00", "Sat 20:00-08:00")
    assert made.longest_seconds(utc("2026-11-20T12:00")) == 12 * 3600


RULES = st.lists(
    st.builds(
        "{:02d}:{:02d}-{:02d}:{:02d}".format,
        st.integers(0, 23), st.sampled_from([0, 15, 30]), st.integers(0, 23), st.sampled_from([0, 15, 30]),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
MOMENTS = st.integers(1735689600, 1830297600).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"])


def test_windows_that_begin_only_in_a_year_have_their_length_now():
    """A plan made long before would else call every table too long for them."""
    later = Calendar(parse_rules(["22:00-06:00"]), not_before=utc("2027-11-20T12:00"))
    assert later.longest_seconds(utc("2026-11-20T12:00")) == 8 * 3600
    assert Calendar(not_before=utc("2027-11-20T12:00")).longest_seconds(utc("2026-11-20T12:00")) == float("inf")
    over = Calendar(last_end=utc("2026-11-20T12:00"))
    assert over.longest_seconds(utc("2026-11-20T12:00")) == 0


@given(RULES, MOMENTS, ZONES)
def test_windows_come_in_order_never_touch_and_never_lie_in_the_past(rules, now, zone):
    found = list(islice(calendar(*rules, zone=ZoneInfo(zone)).windows(now), 20))
    assert all(window.start < window.end for window in found)
    assert all(window.end > now for window in found)
    assert all(one.end < other.start for one, other in pairwise(found))


@given(RULES, MOMENTS, ZONES)
def test_looking_later_finds_the_same_windows(rules, now, zone):
    made = calendar(*rules, zone=ZoneInfo(zone))
    first, *others = islice(made.windows(now), 4)
    if others:  # rules that cover every hour make one endless window of many
        assert list(islice(made.windows(first.end), len(others))) == others
