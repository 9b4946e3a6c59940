"""Order of the moves: important first, then by size, never by chance."""

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.ranking import RankedTable, rank, unmatched
from greenplum_expansion.request import TableOrder

ORDERS = RankedTable("dwh", 1, "sales.orders", 500)
CLICKS = RankedTable("dwh", 2, "sales.clicks", 900)
SELECT = RankedTable("dwh", 3, 'hr."Select"', 10)
OTHER = RankedTable("test", 4, "sales.orders", 700)
TABLES = [ORDERS, CLICKS, SELECT, OTHER]


def test_largest_first():
    assert rank(TABLES, [], TableOrder.LARGEST_FIRST) == [CLICKS, OTHER, ORDERS, SELECT]


def test_smallest_first():
    assert rank(TABLES, [], TableOrder.SMALLEST_FIRST) == [SELECT, ORDERS, OTHER, CLICKS]


def test_important_tables_go_first_in_the_order_of_their_patterns():
    ranked = rank(TABLES, ["hr.Select", "dwh.sales.*"], TableOrder.LARGEST_FIRST)
    assert ranked == [SELECT, CLICKS, ORDERS, OTHER]


def test_a_quoted_name_matches_as_typed_and_as_in_the_catalog():
    assert unmatched(TABLES, ["hr.Select", 'hr."Select"', "dwh.hr.Select"]) == []


def test_a_pattern_that_matches_nothing_is_told():
    assert unmatched(TABLES, ["sales.ordrs", "sales.*"]) == ["sales.ordrs"]


@given(
    st.lists(
        st.builds(
            RankedTable,
            st.sampled_from(["a", "b"]),
            st.integers(1, 10**6),
            st.sampled_from(["s.t", "s.u"]),
            st.integers(0, 10**12),
        ),
        unique_by=lambda t: (t.dbname, t.table_oid),
    ),
    st.sampled_from(list(TableOrder)),
    st.randoms(use_true_random=False),
)
def test_the_order_does_not_hang_on_the_order_of_the_input(tables, order, random):
    expected = rank(tables, ["b.s.t"], order)
    random.shuffle(tables)
    assert rank(tables, ["b.s.t"], order) == expected
    assert len(expected) == len(tables)
