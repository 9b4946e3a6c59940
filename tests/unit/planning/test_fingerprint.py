"""The comparison before and after finds every single row that is lost, doubled or changed."""

from dataclasses import replace

import pytest

from greenplum_expansion.planning.fingerprint import TableFingerprint, compare, skew

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
