"""What stands against a proof, in words, and what is excused where the cluster is written to."""

import pytest

from greenplum_expansion.planning.proof import FAILING, Placement, Whereabouts, newly_invalid, unproven

PROOF = {part: [] for part in (*FAILING, "differences")}


@pytest.mark.parametrize("part", [*FAILING, "differences"])
def test_each_part_fails_the_proof_and_writes_excuse_only_rows_that_differ(part):
    proof = {**PROOF, part: ["something"]}
    assert unproven(proof, expect_writes=False) == ["something"]
    assert unproven(proof, expect_writes=True) == ([] if part == "differences" else ["something"])


def test_a_proof_of_an_older_version_is_judged_by_what_it_looked_at():
    assert unproven({"not_moved": [], "differences": []}, expect_writes=False) == []


def test_rows_on_wrong_segments_are_counted_over_all_tables():
    right = Placement("d.s.a", 100, {})
    wrong = Placement("d.s.b", 50, {3: 2, 0: 1})
    found = Whereabouts.of([wrong, right], full=True)
    assert found.to_dict() == {"tables": 2, "rows": 150, "full": True}
    assert [str(one) for one in found.wrong] == [
        "d.s.b: 3 of 50 rows looked at lie on segment 0, 3 and belong elsewhere"
    ]


def test_an_index_that_was_invalid_before_is_not_ours():
    assert newly_invalid(["d.s.old"], ["d.s.new", "d.s.old"]) == ["index d.s.new is not valid"]
    assert newly_invalid(None, ["d.s.i"]) == ["index d.s.i is not valid"]
