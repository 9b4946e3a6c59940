"""What tasks wrote, as it stands on a page."""

from __future__ import annotations

from greenplum_expansion.pages.words import block

TABLE = """
| host | | rows "style=" |
|---|---|---:|
| <img src=x> | new | style="text-align:right" |
"""


def test_a_table_of_an_approval_breaks_no_rule_of_the_page() -> None:
    html = str(block(TABLE))
    assert "style=&quot;text-align:right&quot;</td>" in html, "what stood there as text stays text"
    assert 'style="' not in html
    assert '<th class="number">' in html
    assert "<th></th>" not in html
    assert "<img" not in html
