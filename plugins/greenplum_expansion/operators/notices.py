"""What operators tell of, in words: one function a kind of event.

None of them fails or waits longer than a few seconds. Each event has an occurrence, by which a retry knows that it was
told before.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.errors import InvalidRequest
from greenplum_expansion.notifications.notice import Notice
from greenplum_expansion.notifications.notifier import NoticeNotifier
from greenplum_expansion.operators.run import ExpansionRun, this_airflow
from greenplum_expansion.planning.progress import human_seconds
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution.direct.mover import Moved
from greenplum_expansion.request import ExpansionRequest, NoticeEvent, RollbackRequest, parse_request

log = logging.getLogger(__name__)

Request = ExpansionRequest | RollbackRequest


def tell(
    context: Mapping[str, Any],
    request: Request,
    event: NoticeEvent,
    title: str,
    facts: Sequence[str] = (),
    next_action: str = "",
    *,
    occurrence: str = "",
    page: str = "",
    expansion: str = "",
) -> None:
    """Send a notice over the channels of the request, if it asks for this event.

    :param occurrence: tells this happening from the next one of the same event in the same task
    :param page: below the run in Airflow's UI
    :param expansion: its id, where that is not told by request or run
    """
    try:
        dag_run = context["dag_run"]
        whose = expansion or getattr(request, "expansion_id", None) or expansion_id(dag_run.run_id)
        link = f"{this_airflow().rstrip('/')}/dags/{quote(dag_run.dag_id)}/runs/{quote(dag_run.run_id, safe='')}{page}"
        notice = Notice(event, request.greenplum_conn_id, whose, title, tuple(facts), next_action, link)
        NoticeNotifier(request, notice, occurrence).notify(context)
    except Exception as error:  # noqa: BLE001  an expansion does not fail because nobody could be told of it
        log.warning("Notice '%s' was not sent: %s", event, error)


def tell_approval_waiting(context: Mapping[str, Any], request: Request, body: str, what: str) -> None:
    """A person has to decide. :param body: the question, by which a retry knows it again"""
    task_id = quote(context["ti"].task_id)
    tell(
        context,
        request,
        NoticeEvent.APPROVAL,
        "a person has to decide",
        [what],
        "read it and answer, under the link below or in Airflow under Required Actions",
        occurrence=_digest(body),
        page=f"/tasks/{task_id}/required_actions",
    )


def tell_no_return(context: Mapping[str, Any], request: Request, facts: Sequence[str]) -> None:
    """The new segments are in the catalog."""
    tell(
        context,
        request,
        NoticeEvent.NO_RETURN,
        "point of no return passed",
        ["The new segments are in the catalog: from here the way is forward only.", *facts],
    )


def tell_window_opened(run: ExpansionRun, window: Window) -> None:
    """Tables begin to move."""
    until = f"until {_moment(window.end)}" if window.has_end else "until all have moved"
    tell(
        run.context,
        run.request,
        NoticeEvent.WINDOW_OPENED,
        "tables begin to move",
        [f"The window is open {until}. Each table is locked while it moves, and usable before and after."],
        occurrence=_window(window) if window.has_end else "",
        expansion=run.expansion_id,
    )


def tell_window_closed(run: ExpansionRun, window: Window, moved: Moved) -> None:
    """No table moves any more, for now; those that could not be moved are told of apart."""
    counts = f"{moved.moved} tables moved, {len(moved.failed)} failed, {len(moved.left)} are left"
    lost = f"{len(moved.cancelled)} were cancelled at the end, {human_seconds(moved.seconds_lost)} of work lost"
    facts = [f"{counts}.", *([f"{lost}."] if moved.cancelled else []), *([moved.stopped] if moved.stopped else [])]
    told = {"expansion": run.expansion_id, "occurrence": _window(window)}
    tell(run.context, run.request, NoticeEvent.WINDOW_CLOSED, "tables no longer move", facts, **told)
    if moved.failed:
        tell_tables_failed(run, window, moved.failed)


def tell_tables_failed(run: ExpansionRun, window: Window, failed: Mapping[str, str]) -> None:
    """Tables could not be moved, although they were tried again. :param failed: error by name"""
    named = [f"{name}: {error}" for name, error in failed.items()]
    task_id = run.context["ti"].task_id
    tell(
        run.context,
        run.request,
        NoticeEvent.TABLES_FAILED,
        f"{len(failed)} tables could not be moved",
        named,
        f"mend what the errors say, then clear task {task_id} with what follows: only these are moved",
        occurrence=_digest(_window(window), *named),
        expansion=run.expansion_id,
    )


def tell_rollback_began(context: Mapping[str, Any], request: Request, found: Mapping[str, str]) -> None:
    """greenplum_rollback has looked, and now acts."""
    facts = [f"The expansion is '{found['phase']}': {found['because']}.", f"What will be done: {found['action']}."]
    tell(context, request, NoticeEvent.ROLLBACK, "the rollback began", facts, occurrence=_digest(*facts))


def tell_end(
    context: Mapping[str, Any],
    request: Request,
    *,
    failed: bool,
    title: str,
    facts: Sequence[str] = (),
    next_action: str = "",
    expansion: str = "",
) -> None:
    """The run is over. Every try of the last task that comes that far is an end of its own."""
    event = NoticeEvent.FAILED if failed else NoticeEvent.FINISHED
    tell(context, request, event, title, facts, next_action, occurrence=_try(context), expansion=expansion)


def end_without_report(context: Mapping[str, Any]) -> None:
    """For ``on_failure_callback`` of a report: it could not even be written, say because the cluster is down.

    Nothing if the report has told of its failure itself.
    """
    params = dict(context["params"])
    try:
        request: Request = (
            parse_request(RollbackRequest, params)
            if context["dag_run"].dag_id == "greenplum_rollback"
            else parse_request(ExpansionRequest, params)
        )
    except InvalidRequest as error:
        log.warning("Nobody is told of the failure: %s", error)
        return
    facts = [f"{context.get('exception') or 'The task that writes the report was killed'}"]
    next_action = "see the log of task report; clear it when the cause is mended"
    tell_end(context, request, failed=True, title="it failed", facts=facts, next_action=next_action)


def _window(window: Window) -> str:
    """One that nothing ends begins whenever somebody looks, so its start tells it from others."""
    return f"{window.start.isoformat()} {window.end.isoformat()}"


def _try(context: Mapping[str, Any]) -> str:
    return str(getattr(context["ti"], "try_number", 1))


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}".strip()


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
