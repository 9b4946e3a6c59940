"""Software of a new host beside that of the cluster's hosts."""

from dataclasses import replace

import pytest

from greenplum_expansion.checks import host_software
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.checks.host_software import NEEDED_TOOLS
from tests.unit.checks.hosts_seen import CLUSTER, SOFTWARE, VERSION, cluster_of, host, software

GPHOME = "/usr/local/greenplum-db"


def test_a_host_with_the_same_software_has_no_finding():
    new = host("sdw3")
    assert host_software.check_greenplum(new, CLUSTER, GPHOME) == []
    assert host_software.check_tools(new) == []
    for check in (
        host_software.check_libraries,
        host_software.check_extensions,
        host_software.check_python,
        host_software.check_usual_tools,
    ):
        assert check(new, CLUSTER) == []


def test_greenplum_missing_is_one_finding_not_five():
    new = software("sdw3", version=None, extensions=(), python=None, modules=())
    missing = host_software.check_greenplum(new, CLUSTER, GPHOME)
    assert f"Greenplum is not installed in {GPHOME}" in str(missing[0])
    assert VERSION in missing[0].remedy
    for check in (host_software.check_libraries, host_software.check_extensions, host_software.check_python):
        assert check(new, CLUSTER) == []


@pytest.mark.parametrize(
    ("check", "new", "severity", "said"),
    [
        (
            host_software.check_libraries,
            software(
                "sdw3", unresolved=("bin/postgres needs libxml2.so.2", "lib/postgresql/pgxml.so needs libxml2.so.2")
            ),
            Severity.ERROR,
            "libraries are missing: libxml2.so.2 (for bin/postgres, lib/postgresql/pgxml.so)",
        ),
        (
            host_software.check_extensions,
            software("sdw3", extensions=("lib/postgresql/plpython2.so",)),
            Severity.ERROR,
            "it lacks lib/postgresql/postgis-2.5.so, which every segment host has",
        ),
        (
            host_software.check_python,
            software("sdw3", python=None, modules=()),
            Severity.ERROR,
            "find no Python there; on sdw1 it is Python 2.7.18",
        ),
        (
            host_software.check_python,
            software("sdw3", modules=("gppylib",)),
            Severity.ERROR,
            "Python 2.7.18 cannot import psutil there",
        ),
        (
            host_software.check_python,
            software("sdw3", python="Python 2.7.5"),
            Severity.WARNING,
            "it has Python 2.7.5, sdw1 Python 2.7.18",
        ),
        (
            host_software.check_usual_tools,
            software("sdw3", tools=NEEDED_TOOLS),
            Severity.WARNING,
            "it lacks ss, zstd, which every segment host has",
        ),
    ],
)
def test_each_difference_is_one_finding(check, new, severity, said):
    found = check(new, CLUSTER)
    assert [finding.severity for finding in found] == [severity]
    assert said in str(found[0])
    assert found[0].remedy


def test_another_version():
    found = host_software.check_greenplum(software("sdw3", version="postgres 6.20"), CLUSTER, GPHOME)
    assert f"it has postgres 6.20, the coordinator {VERSION}" in str(found[0])


def test_needed_tools_that_are_missing():
    tools = tuple(tool for tool in NEEDED_TOOLS if tool not in ("tar", "rsync"))
    found = host_software.check_tools(software("sdw3", tools=tools))
    assert [str(finding) for finding in found] == [
        "ERROR new host sdw3: tar, rsync missing; gpexpand calls them there. Remedy: install tar, rsync."
    ]


def test_a_library_that_no_host_has_is_not_missed():
    entry = "lib/postgresql/plperl.so needs libperl.so"
    cluster = cluster_of(software=replace(SOFTWARE, unresolved=(entry,)))
    assert host_software.check_libraries(software("sdw3", unresolved=(entry,)), cluster) == []


def test_an_extension_of_one_host_only_is_not_missed():
    hosts = (*CLUSTER.hosts[:2], software("sdw2", extensions=("lib/postgresql/plpython2.so",)), CLUSTER.hosts[3])
    new = software("sdw3", extensions=("lib/postgresql/plpython2.so",))
    assert host_software.check_extensions(new, replace(CLUSTER, hosts=hosts)) == []
