"""Notices, sent to a real mail server and a real web server: what arrives, once, and what a dead receiver costs."""

from __future__ import annotations

import json
import logging
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.errors import InvalidRequest
from greenplum_expansion.notifications import delivery
from greenplum_expansion.notifications.notice import Notice
from greenplum_expansion.operators import notices
from greenplum_expansion.operators.checks.notices import CheckNoticesOperator
from greenplum_expansion.operators.report import ReportOperator
from greenplum_expansion.operators.rollback import RollbackReportOperator
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution.direct.mover import Moved
from greenplum_expansion.request import ExpansionRequest, NoticeEvent, NoticesSection, RollbackRequest, parse_request
from tests.support.one_task import OneRun
from tests.support.receivers import MailServer, Webhook, mail_server, webhook

TOKEN = "T0K3N/of-the-channel"
NASTY = 'dwh.sales."<!channel> & {{ var.value }} @all\r\nBcc: everybody@example.com"'
TALKING = {"new_hosts": ["sdw3"], "mail_to": ["dba@example.com", "night@example.com"], "webhook_conn_id": "hook"}
NIGHT = Window(datetime(2026, 11, 20, 22, tzinfo=UTC), datetime(2026, 11, 21, 6, tzinfo=UTC))
ENVIRONMENT = {"mail": "AIRFLOW_CONN_SMTP_DEFAULT", "hook": "AIRFLOW_CONN_HOOK"}


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    with mail_server() as server:
        monkeypatch.setenv(ENVIRONMENT["mail"], server.connection())
        yield server


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with webhook() as server:
        monkeypatch.setenv(ENVIRONMENT["hook"], server.connection(password=TOKEN))
        yield server


def context(store: dict[str, Any] | None = None, dag_id: str = "greenplum_expand", **more: Any) -> dict[str, Any]:
    """As much of a task's context as notices use; what Airflow remembers with a task is a dictionary here."""
    state = None if store is None else SimpleNamespace(get=store.get, set=lambda k, v, retention: store.update({k: v}))
    return {
        "dag_run": SimpleNamespace(dag_id=dag_id, run_id="manual__2026-11-20T12:00:00+00:00"),
        "ti": SimpleNamespace(task_id="redistribute.move_tables", try_number=1),
        "task_state_store": state,
        **more,
    }


def request(**change: Any) -> ExpansionRequest:
    return parse_request(ExpansionRequest, {**TALKING, "greenplum_conn_id": "dwh", **change})


def a_run(store: dict[str, Any] | None = None) -> Any:
    """As much of an ExpansionRun as notices use."""
    return SimpleNamespace(context=context(store), request=request(), expansion_id="an-expansion")


def body(mail: MailServer, number: int = -1) -> str:
    (part,) = mail.mails[number].iter_parts()
    text = part.get_content()
    assert isinstance(text, str)
    return text


def test_a_notice_arrives_by_mail_and_webhook_with_what_to_do_and_where(mail: MailServer, hook: Webhook) -> None:
    notices.tell_tables_failed(a_run(), NIGHT, {"dwh.sales.orders": "disk full"})

    assert mail.recipients == [["dba@example.com", "night@example.com"]]
    assert mail.mails[0]["Subject"] == "Greenplum expansion of dwh: 1 tables could not be moved"
    assert mail.mails[0]["From"] == "airflow@example.com"
    for words in (
        "dwh.sales.orders: disk full",
        "Next: mend what the errors say",
        "clear task redistribute.move_tables",
    ):
        assert words in body(mail)
    link = "http://localhost:8080/dags/greenplum_expand/runs/manual__2026-11-20T12%3A00%3A00%2B00%3A00"
    assert f'<a href="{link}">' in body(mail)

    ((path, headers, posted),) = hook.posts
    assert path == f"/services/{TOKEN}"
    assert headers["Content-Type"].startswith("application/json")
    assert posted["event"] == "tables failed"
    assert posted["link"] == link
    assert posted["facts"] == ["dwh.sales.orders: disk full"]
    assert posted["text"].splitlines()[0] == mail.mails[0]["Subject"]


def test_names_from_the_cluster_are_text_and_nothing_else(mail: MailServer, hook: Webhook) -> None:
    notices.tell(context(), request(), NoticeEvent.FAILED, NASTY, [NASTY])

    assert len(mail.recipients[0]) == 2
    assert mail.mails[0]["Bcc"] is None
    assert "{{ var.value }}" in mail.mails[0]["Subject"]  # not a template
    assert "<!channel>" not in body(mail)
    assert "&lt;!channel&gt; &amp; {{ var.value }}" in body(mail)
    said = hook.posts[0][2]["text"]
    assert "<!channel>" not in said
    assert "@all" not in said
    assert hook.posts[0][2]["facts"] == [NASTY]  # for programs, as it is


def test_a_retry_tells_nothing_twice_and_the_next_window_is_told(mail: MailServer, hook: Webhook) -> None:
    store: dict[str, Any] = {}
    day = timedelta(days=1)
    for window in (NIGHT, NIGHT, Window(NIGHT.start + day, NIGHT.end + day)):
        notices.tell_window_opened(a_run(store), window)
    assert [len(mail.mails), len(hook.posts)] == [2, 2]
    assert "until 2026-11-21 06:00 UTC" in body(mail, 0)
    moved = Moved(moved=12, failed={"dwh.s.t": "disk full"})
    for _ in range(2):
        notices.tell_window_closed(a_run(store), NIGHT, moved)
    assert [posted["event"] for *_, posted in hook.posts[2:]] == ["window closed", "tables failed"]
    assert hook.posts[2][2]["facts"] == ["12 tables moved, 1 failed, 0 are left."]


def test_a_retry_tells_those_who_did_not_get_it(mail: MailServer, hook: Webhook) -> None:
    store: dict[str, Any] = {}
    hook.status = 500
    notices.tell_no_return(context(store), request(), [])
    hook.status = 204
    notices.tell_no_return(context(store), request(), [])
    assert [len(mail.mails), len(hook.posts)] == [1, 2]


def test_only_what_is_asked_for_is_told_and_only_to_whom(mail: MailServer, hook: Webhook) -> None:
    notices.tell_no_return(context(), request(notice_events=["failed"]), [])
    notices.tell_no_return(context(), request(mail_to=[], webhook_conn_id=""), [])
    assert (mail.mails, hook.posts) == ([], [])
    notices.tell_no_return(context(), request(mail_to=None), [])
    assert (mail.mails, len(hook.posts)) == ([], 1)


@pytest.mark.parametrize("where", ["mail", "hook"])
def test_a_receiver_that_never_answers_costs_a_bounded_time_and_the_other_is_told(
    where: str, mail: MailServer, hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(delivery.on_all, "__defaults__", (0.3,))
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and says nothing
        port = deaf.getsockname()[1]
        if where == "mail":
            monkeypatch.setenv(ENVIRONMENT["mail"], mail.connection(port=port))
        else:
            monkeypatch.setenv(ENVIRONMENT["hook"], Webhook(f"http://127.0.0.1:{port}").connection())
        began = time.monotonic()
        notices.tell_no_return(context(), request(), [])
        assert time.monotonic() - began < 60  # and not for ever: the receiver itself never ends
    assert [len(mail.mails), len(hook.posts)] == ([0, 1] if where == "mail" else [1, 0])
    assert "was not sent by" in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"host": "http://127.0.0.1:9/services"}, "127.0.0.1 does not answer"),
        ({"host": "ftp://127.0.0.1/x"}, "its host is no URL of http or https"),
        ({"host": "http://no-such-host.invalid/"}, "does not answer"),
        ({"host": ""}, "its host is no URL"),
    ],
)
def test_a_wrong_webhook_is_a_warning_without_its_token(
    mail: MailServer,
    hook: Webhook,
    change: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(ENVIRONMENT["hook"], hook.connection(password=TOKEN, **change))
    with caplog.at_level(logging.DEBUG):
        notices.tell_no_return(context(), request(), [])
    assert len(mail.mails) == 1
    assert said in caplog.text
    assert TOKEN not in caplog.text


def test_a_webhook_that_redirects_is_not_followed(mail: MailServer, hook: Webhook) -> None:
    """What is posted, and with which rights, is meant for that address only."""
    with webhook() as elsewhere:
        hook.status, hook.location = 307, elsewhere.url
        notices.tell_no_return(context(), request(mail_to=[]), [])
        assert elsewhere.methods == []


def test_login_and_headers_of_the_connection_are_used(hook: Webhook, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {"headers": {"X-Channel": "dba"}}
    connection = hook.connection(login="airflow", password="secret", extra=extra)
    monkeypatch.setenv(ENVIRONMENT["hook"], connection)
    notices.tell_no_return(context(), request(mail_to=[]), [])
    ((path, headers, _),) = hook.posts
    assert path == "/services"
    assert headers["Authorization"] == "Basic YWlyZmxvdzpzZWNyZXQ="
    assert headers["X-Channel"] == "dba"


def test_a_mail_server_that_wants_a_password_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with mail_server(password="right") as server:
        for password in ("wrong", "right"):
            connection = server.connection(login="airflow", password=password)
            monkeypatch.setenv(ENVIRONMENT["mail"], connection)
            notices.tell_no_return(context(), request(webhook_conn_id=None), [])
        assert len(server.mails) == 1


# --- the check -------------------------------------------------------------------------------------------------------


def findings(**change: Any) -> list[dict[str, str]]:
    run = OneRun({**TALKING, **change})
    task = CheckNoticesOperator(task_id="notices")
    run.run(task)
    found: list[dict[str, str]] = run.left(task, "findings")
    return found


@pytest.mark.proves("notices-get-through")
def test_receivers_that_answer_are_no_finding_and_are_told_nothing(mail: MailServer, hook: Webhook) -> None:
    hook.status = 405  # as a webhook answers HEAD
    assert findings() == []
    assert hook.methods == ["HEAD"]
    assert mail.mails == []


@pytest.mark.proves("notices-get-through")
@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("mail", None, "smtp_default"),
        ("mail", {"port": 9}, "Connection refused"),
        ("mail", {"extra": {"disable_ssl": True, "disable_tls": True}}, "names no sender"),
        ("hook", None, "hook"),
        ("hook", {"host": "http://127.0.0.1:9/x"}, "Connection refused"),
        ("hook", 404, "status 404"),
    ],
)
def test_each_receiver_that_cannot_be_reached_is_one_warning(
    mail: MailServer, hook: Webhook, variable: str, value: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is None:
        monkeypatch.delenv(ENVIRONMENT[variable])
    elif isinstance(value, int):
        hook.status = value
    else:
        server = mail if variable == "mail" else hook
        monkeypatch.setenv(ENVIRONMENT[variable], server.connection(**value))
    (found,) = findings()
    assert found["severity"] == "warning"
    assert said in found["problem"] + found["subject"]
    assert TOKEN not in json.dumps(found)


def test_nobody_to_tell_is_nothing_to_look_at() -> None:
    assert findings(mail_to=[], webhook_conn_id=None) == []


# --- the request, and a report that cannot be written ----------------------------------------------------------------


@pytest.mark.parametrize("address", ["dba", "a@b, c@d", "a@b\nBcc: x@y", "Änne@example.com", "a@b;c", "<a@b>"])
def test_what_is_no_single_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest, match=r"Mail to: .*is not of the form name@host"):
        request(mail_to=[address])


def test_a_rollback_asks_for_the_same_notices_as_its_expansion() -> None:
    asked = request().model_dump(mode="json", include=set(NoticesSection.model_fields))
    assert parse_request(RollbackRequest, asked).mail_to == request().mail_to


@pytest.mark.parametrize("dag_id", ["greenplum_expand", "greenplum_rollback"])
def test_somebody_is_told_even_if_the_report_cannot_be_written(mail: MailServer, hook: Webhook, dag_id: str) -> None:
    conf = request().model_dump(mode="json")
    if dag_id == "greenplum_rollback":
        conf = {name: value for name, value in conf.items() if name in RollbackRequest.model_fields}
    store: dict[str, Any] = {}
    failed = context(store, dag_id, params=conf, exception=ConnectionError("cluster down"))
    notices.end_without_report(failed)
    assert "cluster down" in body(mail)
    assert hook.posts[0][2]["event"] == "failed"

    # A report that told of its failure, and then failed, does not tell twice.
    notices.end_without_report(failed)
    assert len(mail.mails) == 1


def test_reports_call_for_help_when_they_fail() -> None:
    names = ("plan", "approval", "edit", "segments", "proof", "rollback")
    report = ReportOperator(task_id="report", **{f"{name}_task": name for name in names})
    rollback = RollbackReportOperator(task_id="report", probe_task="a", proof_task="b", undo_task="c")
    for task in (report, rollback):
        assert task.on_failure_callback == [notices.end_without_report]


def test_a_notice_about_a_thousand_tables_stays_short() -> None:
    facts = tuple(f"dwh.s.t{number}: {'long error ' * 100}" for number in range(1000))
    notice = Notice(NoticeEvent.TABLES_FAILED, "dwh", "x", "1000 tables failed", facts, "", "http://airflow")
    assert len(notice.to_html()) < 20_000
    assert "and 975 more" in notice.to_chat()
