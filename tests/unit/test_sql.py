"""The statements, as they are sent to a cluster."""

from __future__ import annotations

import re

import pytest

from greenplum_expansion import sql
from greenplum_expansion.cluster.flavors import FAMILY

ALL = [(name, variant) for name in sql.names() for variant in sql.variants(name)]


@pytest.mark.parametrize(("name", "variant"), ALL)
def test_no_comment_is_sent(name: str, variant: str) -> None:
    """A table's name with a newline in it would end a comment that it was put into, and its rest would be run."""
    statement = sql.load(name, variant)

    assert "--" not in statement
    assert statement.strip()


@pytest.mark.parametrize("name", sql.names())
def test_a_server_without_a_variant_of_its_own_gets_the_common_statement(name: str) -> None:
    assert sql.load(name, "gp999") == sql.load(name)


def test_greenplum_7_gets_its_own_words_where_there_are_some() -> None:
    assert "pg_partition_rule" in sql.load("distributed_tables")
    assert "pg_partition_rule" not in sql.load("distributed_tables", "gp7")


@pytest.mark.parametrize("name", [name for name, variant in ALL if variant])
def test_a_variant_takes_the_parameters_of_the_common_statement(name: str) -> None:
    def parameters(text: str) -> set[str]:
        return set(re.findall(r"%\((\w+)\)s|\{(\w+)\}", text))

    for variant in sql.variants(name):
        assert parameters(sql.load(name, variant)) == parameters(sql.load(name))


def test_every_variant_is_one_that_some_flavor_takes() -> None:
    assert {variant for _, variant in ALL} <= {flavor.sql_variant for flavor in FAMILY}


@pytest.mark.parametrize("variant", ["../gp7", "gp7/..", "gp7.sql", "*"])
def test_a_variant_is_a_word_and_no_path(variant: str) -> None:
    assert sql.load("distributed_tables", variant) == sql.load("distributed_tables")
