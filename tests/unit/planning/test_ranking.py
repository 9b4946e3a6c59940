"""Order of the moves: important first, then by size, never by chance."""

from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.planning.joins import DistributionKey, find_joins
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


CUSTOMER, COUNTRY = DistributionKey(False, "customer_id bigint"), DistributionKey(True, "")
LINES = RankedTable("dwh", 5, "sales.order_lines", 3000)
COUNTRIES = RankedTable("dwh", 6, "ref.countries", 1)
KEYS = {
    ORDERS.key: CUSTOMER,
    LINES.key: CUSTOMER,
    OTHER.key: CUSTOMER,
    CLICKS.key: DistributionKey(False, "id bigint"),
    SELECT.key: DistributionKey(False, ""),
    COUNTRIES.key: COUNTRY,
}
ALL = [*TABLES, LINES, COUNTRIES]


def test_tables_with_equal_keys_in_one_database_belong_together():
    joins = find_joins(ALL, KEYS)
    assert joins.groups == {ORDERS.key: "dwh: customer_id bigint", LINES.key: "dwh: customer_id bigint"}
    assert joins.replicated == {COUNTRIES.key}


def test_what_keys_do_not_tell_is_named_by_a_person():
    joins = find_joins(ALL, KEYS, ["sales.clicks, hr.*"])
    assert joins.groups[CLICKS.key] == joins.groups[SELECT.key] == "dwh: group 1"


def test_replicated_tables_go_first_and_then_the_largest_group():
    joins = find_joins(ALL, KEYS)
    ranked = rank(ALL, [], TableOrder.JOINED_TOGETHER, groups=joins.groups, replicated=joins.replicated)
    assert ranked == [COUNTRIES, LINES, ORDERS, CLICKS, OTHER, SELECT]


def test_an_important_table_takes_its_group_along():
    joins = find_joins(ALL, KEYS)
    ranked = rank(ALL, ["sales.orders"], TableOrder.JOINED_TOGETHER, groups=joins.groups, replicated=joins.replicated)
    assert ranked[:3] == [LINES, ORDERS, OTHER]


def test_ranks_written_by_hand_are_kept():
    by_hand = [
        RankedTable("dwh", 1, "a.a", 5, rank=9),
        RankedTable("dwh", 2, "a.b", 7, rank=1),
        RankedTable("dwh", 3, "a.c", 6, rank=2),
    ]
    assert [table.fq_name for table in rank(by_hand, [], TableOrder.AS_RANKED)] == ["a.b", "a.c", "a.a"]
