"""What a checksum must not miss, where the statement alone decides it."""

from __future__ import annotations

import pytest

from greenplum_expansion import sql


@pytest.mark.parametrize("kind", ["distributed", "replicated"])
def test_checksum_is_of_the_whole_row_even_if_a_column_is_named_like_the_alias(kind: str) -> None:
    statement = sql.load(f"fingerprint_{kind}")

    # `t::text` means the column t of a table that has one, and no other column would be compared.
    assert "md5((t.*)::text)" in statement
    assert "t::text" not in statement.replace("(t.*)::text", "")
