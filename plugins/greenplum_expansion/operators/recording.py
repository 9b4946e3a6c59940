"""What pages show of a redistribution: what there is to be watched, and a last look when the moves have ended."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.operators.forecasting import read_believed
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.planning.record import MOVES_KEY
from greenplum_expansion.redistribution.recording import Recorder
from greenplum_expansion.redistribution.watching import Watched, Watcher
from greenplum_expansion.request.windows import WindowsSection
from greenplum_expansion.triggers.progress import PROGRESS_KEY

log = logging.getLogger(__name__)


def read_watched(run: ExpansionRun) -> Watched:
    """What there is to be watched of this expansion."""
    windows, ends = run.foreseen(), run.ends()
    if ends is not None:
        windows = windows.model_copy(update={"last_end": ends.isoformat()})
    return Watched(
        expansion_id=run.expansion_id,
        sessions=run.request.parallel_moves,
        windows=windows.model_dump(mode="json", include=set(WindowsSection.model_fields)),
        rates=read_believed(run, run.directory.require_plan()).rates.to_dict(),
    )


def leave_record(context: Mapping[str, Any], run: ExpansionRun) -> None:
    """What has become of the tables, once more, by the task that moved them.

    Whoever clears that task alone has nobody watch beside it, and the pages would show for ever what the watcher saw
    last. The line of bytes over time is left out: it is the watcher's. Never raises: the moves are what counts.
    """
    now = datetime.now(UTC)
    try:
        seen = Watcher(read_watched(run)).look(run.hook, now)
        left = [] if seen is None else [*Recorder(run.expansion_id).look(run.hook, now), (PROGRESS_KEY, seen.to_dict())]
    except ExpansionError as error:
        log.warning("What the pages show of the tables is older than this: %s", error)
        return
    for key, value in left:
        if key != MOVES_KEY:
            context["ti"].xcom_push(key=key, value=value)
