"""What an approver has entered and what is wrong with it, kept between two askings.

It is asked for again by another task instance, which knows nothing of the one before; so this is kept beside the plan,
in the expansion's directory on the coordinator.
"""

from __future__ import annotations

from dataclasses import dataclass

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.remote import FileMissing

_FILE = "edited_plan.json"
_ASKED = "asked.json"


@dataclass(frozen=True)
class Draft:
    """An edited plan that was not carried out yet.

    :param of: digest of the plan that was edited; for another plan the draft means nothing
    :param findings: what is to be said of it
    """

    of: str
    input_file: str
    tablespace_file: str
    findings: tuple[Finding, ...]


def read_draft(directory: ExpansionDirectory, of: str) -> Draft | None:
    """The draft for the plan with this digest; None if there is none."""
    try:
        data = directory.hook.coordinator().read_json(directory.file(_FILE))
    except FileMissing:
        return None
    if data["of"] != of:
        return None
    return Draft(of, data["input_file"], data["tablespace_file"], tuple(map(Finding.from_dict, data["findings"])))


def write_draft(directory: ExpansionDirectory, draft: Draft) -> None:
    """Keep it for the next asking."""
    value = {
        "of": draft.of,
        "input_file": draft.input_file,
        "tablespace_file": draft.tablespace_file,
        "findings": [finding.to_dict() for finding in draft.findings],
    }
    directory.hook.coordinator().write_json(directory.file(_FILE), value)


def drop_draft(directory: ExpansionDirectory) -> None:
    """Forget it: it was accepted and is the plan now."""
    directory.hook.coordinator().run(["rm", "-f", "--", directory.file(_FILE)])


def may_ask(directory: ExpansionDirectory, instance: str, essence: str) -> bool:
    """Whether Airflow will show what this task instance is about to ask; noted, if it has asked nothing yet.

    Airflow 3.3.2 keeps text and form of an instance's first question, through retries and clears.

    :param instance: task id and map index
    :param essence: digest of text and form
    """
    coordinator = directory.hook.coordinator()
    try:
        asked: dict[str, str] = coordinator.read_json(directory.file(_ASKED))
    except FileMissing:
        asked = {}
    if instance in asked:
        return asked[instance] == essence
    coordinator.write_json(directory.file(_ASKED), {**asked, instance: essence})
    return True
