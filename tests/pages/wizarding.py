"""What tests of the wizard share: drafts, what looks have left, and reading its answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

from greenplum_expansion.planning.moves import Move, Storage
from greenplum_expansion.planning.rates import FinishedMove
from greenplum_expansion.planning.workload import Workload

GOOD = {"greenplum_conn_id": "dwh", "new_hosts": ["sdw3", "sdw4=10.0.0.4"]}
WORKLOAD = Workload.measure(
    [Move("dwh", number, f"public.t{number}", 20 * 2**30, 2**30) for number in range(40)],
    [FinishedMove(Storage.HEAP, 10 * 2**30, 0, 100.0)] * 5,
    datetime.now(UTC).timestamp(),
)


def finding(subject: str, problem: str, remedy: str) -> dict[str, str]:
    return {"severity": "error", "subject": subject, "problem": problem, "remedy": remedy, "check": ""}


def forecast_in(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", unescape(html[html.index("<h3>Forecast</h3>") :])).split())
