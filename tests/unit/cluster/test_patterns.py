"""A pattern matches what a person meant by it, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenplum_expansion.cluster.patterns import Pattern

names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("demo", ("demo",), ("demo2",)),
        ("demo.sales", ("demo", "sales"), ("demo", "Sales")),
        ("demo.*", ("demo", "Mixed Case"), ("dem", "x")),
        ("d?mo.s*.*_2026", ("demo", "sales", "fact_2026"), ("demo", "hr", "fact_2026")),
        ('demo."my.schema".t', ("demo", "my.schema", "t"), ("demo", "my_schema", "t")),
        ('demo.hr."weird ""x"" *"', ("demo", "hr", 'weird "x" *'), ("demo", "hr", 'weird "x" y')),
        ("demo.Größe ☃.顧客", ("demo", "Größe ☃", "顧客"), ("demo", "Größe", "顧客")),
        ("demo.[ab].$(id)", ("demo", "[ab]", "$(id)"), ("demo", "a", "$(id)")),
    ],
)
def test_it_matches(pattern, matching, other):
    assert Pattern.parse(pattern).matches(*matching)
    assert not Pattern.parse(pattern).matches(*other)


@given(names, names, names)
def test_names_in_double_quotes_match_themselves_only(database, schema, table):
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in (database, schema, table)]
    pattern = Pattern.parse(".".join(quoted))
    assert pattern.matches(database, schema, table)
    assert not pattern.matches(database, schema, table + "x")


@pytest.mark.parametrize(
    ("text", "because"),
    [
        ("", "is not database"),
        ("demo..t", "is not database"),
        ("demo.", "is not database"),
        ("a.b.c.d", "more than three parts"),
        ('demo."x', "not closed"),
        ("demo.sales\n; drop", "control character"),
    ],
)
def test_what_cannot_be_meant_is_refused(text, because):
    with pytest.raises(ValueError, match=re.escape(because)):
        Pattern.parse(text)
