"""Are the catalogs of coordinator and segments whole? gpcheckcat's verdict, with its repair scripts."""

from __future__ import annotations

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.gpcheckcat import CheckcatReport, DatabaseReport

_TOLD = 6  # objects or tests told in one finding


@check("gpcheckcat", "gpcheckcat finds nothing wrong with the catalogs")
def check_catalog(report: CheckcatReport, exit_code: int | None, directory: str, output: str) -> list[Finding]:
    """New segments begin with a copy of the coordinator's catalogs: what is wrong there spreads to each of them.

    gpcheckcat drops temporary schemas without a session on its way, refuses to run while an expansion is being
    prepared, and compares each catalog of each segment: with many objects that takes long. It is best run while nobody
    changes a catalog: a table made or dropped meanwhile can look like an issue.

    :param exit_code: of gpcheckcat (0 no issue, 1 and 2 an issue for which it wrote scripts, 3 others; it also ends
        with 1 when it refuses); None if it was killed
    :param directory: where it ran, so where its repair scripts are
    :param output: path of what it printed
    """
    if report.refusal:
        # The error is the other check's, "expansion-state": one fault is told once.
        return [
            Finding.note("gpcheckcat", f"it looked at nothing, as an expansion is being prepared: {report.refusal}")
        ]
    findings = [finding for database in report.databases for finding in _judge(database, directory, output)]
    ended_well = exit_code == 0 and report.databases and all(database.is_clean for database in report.databases)
    if not ended_well and not any(finding.remedy for finding in findings):
        how = "was ended" if exit_code is None else f"ended with exit code {exit_code}"
        findings.append(
            Finding.error("gpcheckcat", f"it {how} without a verdict", f"read {output} on the coordinator, then clear")
        )
    if ended_well:
        tests = max(database.tests or 0 for database in report.databases)
        findings.append(
            Finding.note("gpcheckcat", f"{tests} tests on {len(report.databases)} databases found no catalog issue")
        )
    return findings


@check("gpcheckcat-skipped", "The catalogs were looked at")
def check_catalog_skipped() -> list[Finding]:
    """The request says that gpcheckcat is not run: then nobody has looked."""
    return [
        Finding.warning(
            "gpcheckcat",
            "the request says not to run it: whether the catalogs are whole is not known",
            "run gpcheckcat -A -O before approving, or choose it in the request",
        )
    ]


def _judge(report: DatabaseReport, directory: str, output: str) -> list[Finding]:
    subject = f"database {report.dbname}"
    findings = []
    if report.dropped_schemas:
        findings.append(
            Finding.note(subject, f"gpcheckcat dropped {report.dropped_schemas} temporary schemas without a session")
        )
    if report.issues or report.failed_tests:
        failed = _some(report.failed_tests) or "not named"
        about = f" ({_some(report.said)})" if report.said else ""
        count = f"{report.issues} issues, " if report.issues else ""
        findings.append(
            Finding.error(
                subject,
                f"gpcheckcat found {count}tests that failed: {failed}{about}",
                _remedy(report, directory, output),
            )
        )
    if report.errors:
        findings.append(
            Finding.error(
                subject,
                f"tests of gpcheckcat could not run: {_some(report.errors)}",
                f"read {output}, then clear this task",
            )
        )
    return findings


def _remedy(report: DatabaseReport, directory: str, output: str) -> str:
    where = f"read {report.log or output} on the coordinator"
    if not report.repair_directory:
        return (
            f"{where}; it wrote no repair scripts, so mend by hand or ask for support; run it again until it is clean"
        )
    scripts = report.repair_directory
    if not scripts.startswith("/"):
        scripts = f"{directory.rstrip('/')}/{scripts}"
    return (
        f"{where} and the repair scripts in {scripts}; run those you agree with, and gpcheckcat again until it is clean"
    )


def _some(words: tuple[str, ...]) -> str:
    more = f" and {len(words) - _TOLD} more" if len(words) > _TOLD else ""
    return ", ".join(words[:_TOLD]) + more
