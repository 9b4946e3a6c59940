"""Judging measured hosts: limits block, being slower than the others warns, silence is noticed."""

from __future__ import annotations

import json

import pytest

from greenplum_expansion.checks.finding import Finding, Severity, errors
from greenplum_expansion.checks.hardware import Limits, judge_hardware
from greenplum_expansion.planning.measured import END_MARK, LEFT_MARK, TRIAL_MARK, Measured, not_measured
from greenplum_expansion.planning.trials import Group, Omission, Trial
from greenplum_expansion.report import render_section
from greenplum_expansion.survey.hardware import hardware_section

NEW, OLD = ("sdw-3", "sdw-4"), ("sdw1", "sdw2")


def trial(group: Group, tests: str, hosts: tuple[str, ...], file_bytes: int = 1 << 30) -> Trial:
    size = file_bytes if "d" in tests else 0
    return Trial(group, tests, hosts, ("/data",), size, 5, 300, cached=True)


def log_of(made: Trial, said: str, code: int | str | None = 0) -> str:
    lines = [TRIAL_MARK + json.dumps(made.to_dict()), said]
    return "\n".join(lines if code is None else [*lines, f"{END_MARK}{code}", ""])


def disks(group: Group, figures: dict[str, float], code: int | str | None = 0) -> str:
    kinds = ("disk write", "disk read", "stream")
    said = [f"    {kind} bandwidth (MB/s): {rate} [ {host}]" for kind in kinds for host, rate in figures.items()]
    return log_of(trial(group, "ds", NEW if group is Group.NEW else OLD), "\n".join(said), code)


def network(group: Group, hosts: tuple[str, ...], *rates: float) -> str:
    there, back = rates
    said = f"{hosts[0]} -> {hosts[1]} = {there}\n{hosts[1]} -> {hosts[0]} = {back}\nSummary:\n"
    return log_of(trial(group, "N", hosts), said)


def judge(*logs: str, **limits: int) -> list[Finding]:
    return judge_hardware(Measured.from_log("\n".join(logs)), Limits(**limits))


GOOD = (
    disks(Group.NEW, dict.fromkeys(NEW, 500.0)),
    disks(Group.EXISTING, dict.fromkeys(OLD, 500.0)),
    network(Group.NEW, NEW, 1100, 1120),
    network(Group.EXISTING, OLD, 1100, 1080),
    network(Group.BETWEEN, ("sdw-3", "sdw1"), 1100, 1100),
)


def test_equal_hosts_give_no_finding() -> None:
    assert judge(*GOOD, percent_of_existing=60, disk_write=400, disk_read=400, memory=400, network=1000) == []


def test_a_new_host_below_a_limit_is_an_error_with_both_figures() -> None:
    slow = disks(Group.NEW, {"sdw-3": 500.0, "sdw-4": 120.0})

    (wrong,) = errors(judge(slow, *GOOD[1:], disk_write=400))

    assert wrong.subject == "sdw-4"
    assert wrong.problem == "disk write: 120 MB/s, at least 400 MB/s are asked for"
    assert wrong.check == "hardware-limits"
    assert "controller" in wrong.remedy


def test_existing_hosts_are_not_held_to_the_limits() -> None:
    slow = disks(Group.EXISTING, dict.fromkeys(OLD, 10.0))
    assert errors(judge(GOOD[0], slow, *GOOD[2:], disk_write=400)) == []


def test_a_new_host_slower_than_the_existing_ones_is_a_warning() -> None:
    slow = disks(Group.NEW, {"sdw-3": 500.0, "sdw-4": 120.0})

    found = judge(slow, *GOOD[1:], percent_of_existing=60)

    assert {finding.severity for finding in found} == {Severity.WARNING, Severity.NOTE}
    assert "disk write: 120 MB/s, 24 % of the existing hosts' median of 500 MB/s" in found[0].problem
    assert found[-1].problem.startswith("disk write sdw-4 with 120 MB/s")


def test_a_slow_connection_is_named_by_both_ends() -> None:
    slow = network(Group.NEW, NEW, 1100, 90)

    assert [finding.subject for finding in errors(judge(*GOOD[:2], slow, network=1000))] == ["sdw-4 -> sdw-3"]


def test_a_slow_connection_to_the_existing_hosts_is_a_warning() -> None:
    slow = network(Group.BETWEEN, ("sdw-3", "sdw1"), 1100, 90)

    (finding,) = judge(*GOOD[:4], slow, percent_of_existing=60)

    assert finding.subject == "sdw1 -> sdw-3"
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("code", "said", "why"),
    [
        (124, "", "ended after 300 s"),
        ("stopped", "", "interrupted"),
        (None, "", "interrupted"),
        (127, "timeout: failed to run command 'gpcheckperf': No such file or directory", "no gpcheckperf"),
        (1, "[Error] unable to make gpcheckperf directory.", "unable to make gpcheckperf directory"),
        (3, "", "exit code 3"),
    ],
)
def test_a_new_host_without_a_figure_is_an_error_that_says_why(code: int | str | None, said: str, why: str) -> None:
    silent = log_of(trial(Group.NEW, "ds", NEW), said, code)

    (wrong,) = errors(judge(silent, *GOOD[1:]))

    assert wrong.subject == "sdw-3, sdw-4: disk write, disk read, memory"
    assert why in wrong.problem


def test_an_existing_host_without_a_figure_only_warns() -> None:
    silent = disks(Group.EXISTING, {"sdw1": 500.0})

    (finding,) = judge(GOOD[0], silent, *GOOD[2:])

    assert (finding.severity, finding.subject) == (Severity.WARNING, "sdw2: disk write, disk read, memory")


def test_what_was_left_out_and_what_was_left_behind_are_warnings() -> None:
    measured = Measured.from_log("\n".join([*GOOD, f"{LEFT_MARK}sdw-4"]))
    omission = Omission(Group.EXISTING, "disk", "sdw1:/data has 3 MB free", "free some")

    found = judge_hardware(measured, Limits(), [omission])

    assert [finding.subject for finding in found] == ["existing hosts, disk", "sdw-4"]


def test_a_single_new_host_has_the_network_figure_of_its_pair() -> None:
    measured = Measured.from_log(network(Group.BETWEEN, ("sdw-3", "sdw1"), 700, 900))

    assert [(host.hostname, host.network) for host in measured.hosts(Group.NEW)] == [("sdw-3", 700)]


def test_the_section_shows_every_host_and_names_the_slowest() -> None:
    slow = disks(Group.NEW, {"sdw-3": 500.0, "sdw-4": 120.0})

    lines = render_section(
        hardware_section(json.loads(json.dumps(Measured.from_log("\n".join([slow, *GOOD[1:]])).to_dict())))
    )

    assert lines[0] == "Hardware, MB/s (gpcheckperf, 1.0 GiB written on each host)"
    assert "fits into memory" in lines[1]
    assert [line.split()[0] for line in lines[4:]] == ["sdw-3", "sdw-4", "sdw1", "sdw2", "median"]
    assert "slowest new: disk write, disk read, memory" in lines[5]


def test_a_section_without_figures_says_why() -> None:
    assert render_section(hardware_section(not_measured("dry run")))[1] == "  not measured: dry run"
