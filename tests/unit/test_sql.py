"""The statements, as they are sent to a cluster."""

from __future__ import annotations

import pytest

from greenplum_expansion import sql


@pytest.mark.parametrize("name", sql.names())
def test_no_comment_is_sent(name: str) -> None:
    """A table's name with a newline in it would end a comment that it was put into, and its rest would be run."""
    statement = sql.load(name)

    assert "--" not in statement
    assert statement.strip()
