"""A survey survives JSON, and two of them tell what became fewer."""

from __future__ import annotations

import json
from dataclasses import replace

from greenplum_expansion.report import render_section
from greenplum_expansion.survey.compare import compare, survey_section, to_dict
from greenplum_expansion.survey.facts import (
    Bloat,
    DatabaseSurvey,
    Named,
    SchemaSurvey,
    Survey,
    TableSurvey,
    schemas_from_rows,
)

MIB = 1024 * 1024

SALES = SchemaSurvey(
    "sales", 400 * MIB, 60 * MIB, {"heap": 20, "view": 2, "function": 1, "index": 3}, roots=1, leaves=13
)
DEMO = DatabaseSurvey(
    "demo",
    size_bytes=745 * MIB,
    schemas=(SALES,),
    largest=(TableSurvey("sales.orders", "heap", 97 * MIB, MIB, 4, 1.0),),
    uneven=(TableSurvey("sales.skewed", "heap", 30 * MIB, MIB, 4, 3.7),),
    append_optimised_asked=16,
    append_optimised_bloat=(Bloat("stage.ao_row", percent=42.5),),
    heap_bloat_total=1,
    heap_bloat=(Bloat("hr.bloaty", pages=2601, expected_pages=6),),
    missing_statistics=Named(38, {"sales.facts": "4 of 4 columns"}),
    partitioned=Named(1, {"sales.facts": "13 leaves, 1 levels"}),
    external=Named(1, {"stage.ext": "readable, gpfdist"}),
    indexes={"btree": 3},
)
BEFORE = Survey("2026-11-20T12:00:00+00:00", "Greenplum 6 (6.24.3)", 4, 1.5, (DEMO,))


def after(**changes: object) -> Survey:
    return replace(BEFORE, segments=8, databases=(replace(DEMO, **changes),))  # type: ignore[arg-type]


def changed(survey: Survey) -> dict[str, tuple[str, str]]:
    return {change.what: (change.before, change.after) for change in compare(BEFORE, survey).changes}


def test_a_survey_survives_json() -> None:
    assert Survey.from_dict(json.loads(json.dumps(BEFORE.to_dict()))) == BEFORE


def test_branches_hold_no_rows_and_roots_are_counted_by_themselves() -> None:
    objects = [
        {"schema_name": "s", "kind": "heap", "partition": partition, "objects": number}
        for partition, number in (("", 2), ("root", 1), ("branch", 4), ("leaf", 12))
    ]
    sizes = [
        {"schema_name": "s", "row_bytes": 10, "other_bytes": 1},
        {"schema_name": "t", "row_bytes": 90, "other_bytes": 1},
    ]

    assert schemas_from_rows(objects, sizes) == (
        SchemaSurvey("t", 90, 1, {}),
        SchemaSurvey("s", 10, 1, {"heap": 14}, roots=1, leaves=12),
    )


def test_nothing_lost_is_said_and_only_the_size_is_shown() -> None:
    found = compare(BEFORE, after())

    assert found.losses == ()
    assert "No kind of object became fewer in any of 1 databases." in found.lines
    assert changed(after()) == {"size": ("745.0 MiB", "745.0 MiB")}


def test_what_became_fewer_is_a_loss() -> None:
    schema = replace(SALES, objects={**SALES.objects, "view": 1, "function": 2})

    found = compare(BEFORE, after(schemas=(schema,)))

    assert [(loss.what, loss.before, loss.after) for loss in found.losses] == [("views", "2", "1")]
    assert ("functions", "1", "2") in [(change.what, change.before, change.after) for change in found.changes]
    assert not any("No kind" in line for line in found.lines)


def test_a_database_that_is_gone_is_a_loss() -> None:
    found = compare(BEFORE, replace(BEFORE, databases=()))
    assert [loss.what for loss in found.losses] == ["the database"]


def test_skew_bloat_and_statistics_are_compared() -> None:
    survey = after(
        uneven=(replace(DEMO.uneven[0], skew=7.4),),
        append_optimised_bloat=(),
        heap_bloat_total=0,
        missing_statistics=Named(),
    )

    assert changed(survey) == {
        "size": ("745.0 MiB", "745.0 MiB"),
        "least even table": ("sales.skewed 3.70", "sales.skewed 7.40"),
        "append-optimised tables with more than 10 % deleted rows": ("1", "0"),
        "bloated heap tables": ("1", "0"),
        "tables without full statistics": ("38", "0"),
    }


def test_what_is_not_known_is_said_and_not_taken_for_a_loss() -> None:
    found = compare(BEFORE, after(schemas=(), not_known={"objects": "too slow", "schema sizes": "too slow"}))

    assert found.losses == ()
    assert "Not known after, demo: objects, too slow" in found.lines


def test_a_schema_that_grew_is_named() -> None:
    schema = replace(SALES, row_bytes=800 * MIB)
    assert changed(after(schemas=(schema,)))["schema sales"] == ("460.0 MiB", "860.0 MiB")


def test_many_databases_are_bounded_but_losses_are_told_in_all() -> None:
    many = tuple(replace(DEMO, name=f"d{number:03}", size_bytes=number * MIB) for number in range(300))
    before = replace(BEFORE, databases=many)
    poorer = replace(many[0], schemas=(replace(SALES, objects={"heap": 19}),))

    found = compare(before, replace(before, databases=(poorer, *many[1:])))

    assert len(found.changes) < 40
    assert {loss.database for loss in found.losses} == {"d000"}
    assert len(survey_section(before).rows) == 20


def test_the_comparison_is_text_and_data() -> None:
    lines = render_section(compare(BEFORE, after()).section())

    assert lines[0] == "Survey before and after"
    assert lines[-1].split() == ["demo", "size", "745.0", "MiB", "745.0", "MiB"]
    assert json.loads(json.dumps(to_dict(BEFORE, after())))["after"]["segments"] == 8


def test_what_deserves_attention_is_said_in_sentences() -> None:
    text = "\n".join(render_section(survey_section(BEFORE)))

    for said in ("sales.skewed 3.7", "stage.ao_row 42 %", "1 bloated heap tables: hr.bloaty", "38 tables without full"):
        assert said in text
