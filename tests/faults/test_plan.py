"""make_plan and approve_plan on the practice cluster: edits are taken, or refused with reasons and asked for again."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped, TaskAwaitingInput

from greenplum_expansion.operators.approval import ApproveEditOperator
from tests.support.practice import Practice
from tests.support.whole_dag import DagRunHere

pytestmark = pytest.mark.sandbox

NEW_HOSTS = ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]
FILE = """\
sdw3|10.77.0.23|6000|/data/primary/gpseg4|11|4|p
sdw4|10.77.0.24|7000|/data/mirror/gpseg4|17|4|m
sdw3|10.77.0.23|6001|/data/primary/gpseg5|12|5|p
sdw4|10.77.0.24|7001|/data/mirror/gpseg5|18|5|m
sdw4|10.77.0.24|6000|/data/primary/gpseg6|13|6|p
sdw3|10.77.0.23|7000|/data/mirror/gpseg6|15|6|m
sdw4|10.77.0.24|6001|/data/primary/gpseg7|14|7|p
sdw3|10.77.0.23|7001|/data/mirror/gpseg7|16|7|m
"""


class Approval(DagRunHere):
    """A run that has come to its approval.

    `asking` is the task instance that asks: approve_plan, or an instance of the mapped approve_edit.
    """

    asking: Any = None

    def at(self, number: int | None = None) -> Approval:
        """Let approve_plan ask, or instance `number` of approve_edit."""
        if number is None:
            self.asking = self.dag.task_dict["approve_plan"]
        else:
            self.asking = ApproveEditOperator(task_id="edit", plan_task="make_plan", asking=number, dag=None)
            self.asking.task_id = f"approve_edit_{number}"
            self.asking._before = self.dag.task_dict["approve_plan"]._before
        return self

    def ask(self) -> dict[str, Any]:
        """What a person is shown: ``{body, params…}``."""
        question = self.ask_or_pass()
        assert question is not None, "nothing is asked"
        return question

    def ask_or_pass(self) -> dict[str, Any] | None:
        """The same; None if this instance asks nothing."""
        asked: list[dict[str, Any]] = []
        with mock.patch("airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **k: asked.append(k)):
            try:
                self.xcoms[self.asking.task_id, "return_value"] = self.asking.execute(self.context(self.asking))
            except TaskAwaitingInput:
                return asked[0]
        return None

    def approve(self, **entered: str) -> Any:
        """Approve with these texts in the form; what the task returns."""
        return self.answer("Approve", **entered)

    def answer(self, option: str, **entered: str) -> Any:
        """The same with another option."""
        event = {
            "chosen_options": [option],
            "params_input": entered,
            "responded_at": datetime.datetime.now(datetime.UTC),
            "responded_by_user": {"id": "1", "name": "Ann"},
        }
        return self.asking.execute_complete(self.context(self.asking), event)

    def refuse(self, **entered: str) -> str:
        """Approve, and be asked again by approve_edit: the text that is shown then."""
        number = getattr(self.asking, "asking", -1)
        again = self.approve(**entered)
        assert self.left("digest") is None, "it was taken"
        assert number >= 0 or again == list(range(9)), "approve_edit is not asked for"
        return str(self.at(number + 1).ask()["body"])

    def left(self, key: str) -> Any:
        return self.xcoms.get((self.asking.task_id, key))


@pytest.fixture(scope="module")
def begun(practice: Practice) -> Iterator[Approval]:
    """An expansion of the practice cluster by two hosts, which has claimed it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())
        run = Approval("greenplum_expand", {"greenplum_conn_id": "practice", "new_hosts": NEW_HOSTS}, "plan")
        run.run_tasks("check_cluster.connection", "check_cluster.claim")
        yield run


@pytest.fixture
def run(begun: Approval, practice: Practice) -> Iterator[Approval]:
    """The same at its approval."""
    params, xcoms = dict(begun.params), dict(begun.xcoms)
    begun.run_tasks("make_plan")
    yield begun.at()
    begun.params, begun.xcoms = params, xcoms
    practice.run("rm -f ~/greenplum-expansions/plan-*/*")


def recorded(practice: Practice, name: str = "gpexpand_inputfile") -> str:
    return practice.run(f"cat ~/greenplum-expansions/*/{name}").stdout


def test_the_form_carries_the_file_and_the_text_the_layout(run: Approval) -> None:
    question = run.ask()

    assert question["params"]["input_file"]["value"] == FILE
    assert question["params"]["input_file"]["schema"]["format"] == "multiline"
    assert "tablespace_file" not in question["params"], "there is no tablespace"
    assert "| sdw1 |  | 0-1 | 6000-6001 | /data/primary |" in question["body"]
    assert "| sdw3 | new | 4-5 | 6000-6001 | /data/primary |" in question["body"]


def test_an_unchanged_plan_is_approved_as_it_was_shown(run: Approval, practice: Practice) -> None:
    run.ask()
    run.approve(input_file=FILE.replace("\n", "\r\n"))

    assert run.left("digest") == run.xcoms["make_plan", "return_value"]["digest"]
    assert recorded(practice) == FILE


def test_an_approval_over_the_api_may_leave_out_the_form(run: Approval) -> None:
    run.ask()
    run.approve()

    assert run.left("digest") == run.xcoms["make_plan", "return_value"]["digest"]


@pytest.mark.proves("edited-plan", "input-file-contents", "input-file-dbids", "input-file-mirrors", "input-file-places")
def test_a_wrong_edit_is_asked_for_again_with_its_text_and_all_that_is_wrong_on_top(
    run: Approval, practice: Practice
) -> None:
    run.ask()
    wrong = (
        FILE.replace("|14|7|p", "|14|9|p")  # content
        .replace("|16|7|m", "|99|7|m")  # dbid, and a mirror without its primary
        .replace("sdw4|10.77.0.24|7000", "sdw3|10.77.0.23|7000")  # beside its primary, on a port given twice
        .replace("|6001|/data/primary/gpseg5", "|5432|/elsewhere/gpseg5")  # never checked
    )
    body = run.refuse(input_file=wrong)

    assert body.startswith("## The edited plan cannot be carried out")
    for reason in (
        "content 9: it leaves a gap",
        "gpexpand accepts only 11 to 18",
        "content 7: it has a mirror but no primary",
        "primary and mirror are both on sdw3",
        "port 7000 on sdw3 belongs to",
        "port 5432 on sdw3 was not checked",
        "directory /elsewhere on sdw3 was not checked",
    ):
        assert reason in body
    assert run.ask()["params"]["input_file"]["value"] == wrong, "what was entered is still there"
    assert run.xcoms.get(("approve_plan", "answer")) is None, "it is not answered yet"
    assert recorded(practice) == FILE, "nothing was taken over"

    run.approve(input_file=FILE)
    assert run.left("digest") == run.xcoms["make_plan", "return_value"]["digest"]


def test_a_cleared_approval_leaves_to_approve_edit_what_airflow_would_not_show(run: Approval) -> None:
    """Airflow keeps text and form of an instance's first question, whatever the task says when it runs again."""
    first = run.ask()
    assert run.ask() == first, "cleared with nothing changed: the same is asked"
    edited = FILE.replace("|11|4|p", "|00|4|p").replace("|12|5|p", "|11|5|p").replace("|00|4|p", "|12|4|p")
    run.approve(input_file=edited)

    assert run.ask_or_pass() is None
    assert run.left("return_value") == list(range(9))
    # What was approved is shown, not what was planned first.
    assert run.at(0).ask()["params"]["input_file"]["value"] == edited
    run.approve()
    assert run.left("digest") is not None
    assert run.at(1).ask_or_pass() is None, "it is answered"


def test_rejecting_an_edit_skips_what_follows_and_ends_the_asking(run: Approval) -> None:
    run.ask()
    run.refuse(input_file="wrong")
    with pytest.raises(DownstreamTasksSkipped):
        run.answer("Reject")

    assert run.left("answer") == "Reject"
    assert run.left("digest") is None
    assert run.at(1).ask_or_pass() is None


def test_a_plan_that_never_becomes_right_ends_the_run(run: Approval) -> None:
    run.ask()
    run.approve(input_file="wrong")
    for number in range(8):
        run.at(number).ask()
        run.approve(input_file=f"wrong {number}")
    run.at(8).ask()
    with pytest.raises(AirflowFailException, match="asked for 10 times"):
        run.approve(input_file="wrong for ever")


def test_what_cannot_be_read_is_asked_for_again(run: Approval) -> None:
    run.ask()
    assert "line 1: expected 7 fields" in run.refuse(input_file="hello $(touch /tmp/executed)")
    assert "it defines no new segment" in run.refuse(input_file="")


def test_a_right_edit_becomes_the_plan_and_only_it_may_be_carried_out(run: Approval, practice: Practice) -> None:
    run.ask()
    edited = FILE.replace("|11|4|p", "|00|4|p").replace("|12|5|p", "|11|5|p").replace("|00|4|p", "|12|4|p")
    run.approve(input_file=f"# exchanged by Ann\n{edited}")

    digest = run.left("digest")
    assert digest not in (None, run.xcoms["make_plan", "return_value"]["digest"])
    assert recorded(practice) == edited
    assert run.left("step")["outcome"] == "Approve by Ann, edited"
    run.xcoms["approve_plan", "digest"] = run.xcoms["make_plan", "return_value"]["digest"]
    add = run.dag.task_dict["add_segments"]
    with pytest.raises(AirflowFailException, match="is not the one that was approved"):
        add.execute(run.context(add))


@pytest.mark.proves("layout-equal-load")
def test_an_edit_that_leaves_the_pattern_is_taken_when_it_is_approved_once_more(
    run: Approval, practice: Practice
) -> None:
    run.ask()
    fewer = "".join(f"{line}\n" for line in FILE.splitlines() if "gpseg7" not in line)
    fewer = fewer.replace("|15|6|m", "|14|6|m").replace("|17|4|m", "|15|4|m").replace("|18|5|m", "|16|5|m")
    body = run.refuse(input_file=fewer)
    assert body.startswith("## The edited plan differs from the pattern")
    assert "sdw4: it will have 1 primaries, sdw1 2" in body
    assert "grows from 4 to 7 segments" in body, "the edited plan is what is shown"

    run.approve(input_file=fewer)
    assert recorded(practice) == fewer


@pytest.mark.proves("planned-directories-free")
def test_an_edit_into_a_directory_that_holds_something_is_refused(run: Approval, practice: Practice) -> None:
    practice.run("mkdir -p /data/primary/gpseg4x && touch /data/primary/gpseg4x/precious", "sdw3")
    run.ask()
    body = run.refuse(input_file=FILE.replace("/data/primary/gpseg4|", "/data/primary/gpseg4x|"))
    practice.run("rm -r /data/primary/gpseg4x; rmdir --ignore-fail-on-non-empty /data/primary", "sdw3")

    assert "sdw3:/data/primary/gpseg4x: it is to become a data directory, but it is not free (precious)" in body


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        pytest.param(
            {"primary_directories": ["/d1", "/d2"]},
            "primaries lie in /d1, /d2, on sdw1 in /data/primary (twice)",
            marks=pytest.mark.proves("layout-same-directories"),
        ),
        pytest.param(
            {"first_mirror_port": 9000},
            "mirrors have ports 9000-9001, on sdw1 7000-7001",
            marks=pytest.mark.proves("layout-same-ports"),
        ),
        pytest.param(
            {"new_hosts": [*NEW_HOSTS, "sdw5=10.77.0.25"], "mirroring": "spread"},
            "their mirrors are spread, those of the existing hosts grouped",
            marks=pytest.mark.proves("layout-same-mirroring"),
        ),
    ],
)
def test_a_wish_that_deviates_from_the_existing_hosts_is_a_warning_at_the_approval(
    run: Approval, wish: dict[str, Any], said: str
) -> None:
    run.params.update(wish)
    run.run_tasks("make_plan")

    assert f"{said}. Remedy: " in str(run.ask()["body"])


def test_a_draft_of_another_plan_is_forgotten(run: Approval) -> None:
    run.ask()
    run.refuse(input_file="nonsense")
    run.params["first_primary_port"] = 6100
    run.run_tasks("make_plan")

    assert run.at().ask_or_pass() is None, "Airflow would show the first plan"
    question = run.at(1).ask()
    assert "6100" in question["params"]["input_file"]["value"]
    assert "cannot be carried out" not in question["body"]
    assert "primaries have ports 6100-6101, on sdw1 6000-6001" in question["body"]


def test_existing_hosts_alone_get_a_plan(run: Approval, practice: Practice) -> None:
    run.params.update({"new_hosts": [], "more_primaries": 1})
    run.run_tasks("make_plan")
    assert "sdw1|sdw1|6002|/data/primary/gpseg4|11|4|p\n" in recorded(practice)


def test_a_dry_run_asks_nobody(run: Approval) -> None:
    run.params["dry_run"] = True
    assert run.execute("approve_plan") == "skipped"
