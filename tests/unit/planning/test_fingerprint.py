"""The comparison before and after finds every single row that is lost, doubled or changed."""

from dataclasses import replace

import pytest

from greenplum_expansion.planning.fingerprint import TableFingerprint, compare, skew, skew_by_table

BEFORE = TableFingerprint("dwh", 1, "sales.orders", "p", 1000, "42", {0: 500, 1: 500})
AFTER = replace(BEFORE, rows_by_content={0: 250, 1: 250, 2: 250, 3: 250})
REPLICATED = TableFingerprint("dwh", 2, "sales.regions", "r", 12, "7", {0: 12, 1: 12, 2: 12, 3: 12})


def what(before, after):
    return [difference.what for difference in compare(before, after, segments=4).differences]


def test_rows_that_only_moved_are_no_difference():
    comparison = compare([BEFORE], [AFTER], segments=4)
    assert comparison.differences == ()
    assert (comparison.compared, comparison.rows) == (1, 1000)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ([], "it no longer exists"),
        ([replace(AFTER, rows=999)], "1000 rows before, 999 after"),
        ([replace(AFTER, checksum="43")], "1000 rows before and after, but checksum 42 became 43"),
    ],
)
def test_each_kind_of_difference_is_said_with_both_values(after, said):
    assert what([BEFORE], after) == [said]


def test_a_dropped_and_recreated_table_is_a_difference_although_its_name_is_there():
    comparison = compare([BEFORE], [replace(AFTER, oid=99)], segments=4)
    assert [d.what for d in comparison.differences] == ["it no longer exists"]
    assert comparison.appeared == ("dwh.sales.orders",)


def test_a_replicated_table_must_be_whole_on_every_segment():
    assert what([REPLICATED], [replace(REPLICATED, rows_by_content={0: 12, 1: 12, 2: 11})]) == [
        "it is replicated, but segment 2, 3 does not hold all its 12 rows"
    ]
    assert what([REPLICATED], [REPLICATED]) == []


def test_rows_alone_are_compared_when_no_checksum_was_taken():
    assert what([replace(BEFORE, checksum=None)], [replace(AFTER, checksum=None)]) == []


def test_fingerprints_survive_json():
    assert TableFingerprint.from_dict(BEFORE.to_dict()) == BEFORE


def test_skew_counts_segments_without_rows_and_names_the_worst_table():
    lopsided = replace(BEFORE, oid=3, fq_name="sales.skewed", rows_by_content={0: 1000})
    result = skew([AFTER, lopsided, REPLICATED], segments=4)
    assert result.rows_by_content == {0: 1250, 1: 250, 2: 250, 3: 250}
    assert result.worst_ratio == 2.5
    assert result.worst_tables[0] == ("dwh.sales.skewed", 4.0)


def test_an_empty_cluster_is_even():
    assert skew([], segments=4).worst_ratio == 1.0


def test_a_table_that_became_random_is_told_and_one_from_an_older_version_is_not():
    keyed = replace(BEFORE, distribution="DISTRIBUTED BY (id)")
    random = replace(AFTER, distribution="DISTRIBUTED RANDOMLY")
    comparison = compare([keyed], [random], segments=4)
    assert comparison.scattered == ("dwh.sales.orders: it was DISTRIBUTED BY (id) and is DISTRIBUTED RANDOMLY now",)
    assert comparison.differences == ()
    assert compare([BEFORE], [random], segments=4).scattered == ()
    assert compare([replace(keyed, distribution="DISTRIBUTED RANDOMLY")], [random], segments=4).scattered == ()


def test_another_key_is_a_difference():
    keyed, other = (replace(AFTER, distribution=f"DISTRIBUTED BY ({name})") for name in ("id", "day"))
    assert what([keyed], [other]) == ["it was DISTRIBUTED BY (id) and is DISTRIBUTED BY (day) now"]


def test_skew_of_the_largest_tables_is_shown_before_and_after_each_over_its_own_segments():
    large = replace(AFTER, oid=4, fq_name="sales.large", rows=4000, rows_by_content={0: 4000})
    small = replace(AFTER, oid=5, fq_name="sales.small", rows=12, rows_by_content={0: 12})
    new = replace(AFTER, oid=6, fq_name="sales.new")
    before = [BEFORE, replace(large, rows_by_content={0: 2000, 1: 2000}), small]
    shown = skew_by_table(before, [AFTER, large, small, new, REPLICATED], (2, 4))
    assert shown == [("dwh.sales.large", 4000, 1.0, 4.0), ("dwh.sales.orders", 1000, 1.0, 1.0)]
