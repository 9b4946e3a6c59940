"""What steps tell, put together for a reader."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.section import Section, join_sections

_rows = st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=3).map(tuple)
_sections = st.lists(
    st.builds(
        Section,
        title=st.sampled_from(("Prepared on sdw3", "Prepared on sdw4", "Hardware")),
        lines=st.lists(st.text(max_size=3), max_size=2).map(tuple),
        columns=st.sampled_from((("part", "why"), ("host", "MB/s"))),
        rows=_rows,
    ),
    max_size=8,
)


def test_what_two_steps_did_on_a_host_stands_under_one_title():
    columns = ("part", "why")
    account = Section("Prepared on sdw3", ("as asked",), columns, (("account", "missing"),))
    other = Section("Prepared on sdw4", (), columns, (("account", "missing"),))
    system = Section("Prepared on sdw3", (), columns, (("limits", "too low"),))
    first, second = join_sections([account, other, system])
    assert (first.title, first.lines) == ("Prepared on sdw3", ("as asked",))
    assert first.rows == (("account", "missing"), ("limits", "too low"))
    assert second is other


@given(_sections)
def test_nothing_is_lost_and_no_title_stands_twice_over_the_same_columns(sections):
    joined = join_sections(sections)
    assert len({(one.title, one.columns) for one in joined}) == len(joined)
    for title in {one.title for one in sections}:
        before = [row for one in sections if one.title == title for row in one.rows]
        after = [row for one in joined if one.title == title for row in one.rows]
        assert sorted(before) == sorted(after)
    assert sorted(line for one in sections for line in one.lines) == sorted(line for o in joined for line in o.lines)
