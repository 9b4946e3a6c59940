"""gpcheckcat: consistency of the catalogs. Three of its tests are made real, the others have nothing to look at here.

Real: ``distribution_policy`` (every distributed table has a policy no wider than the cluster), ``part_integrity``
(leaves follow their root in numsegments), ``duplicate`` (no table listed twice).
"""

from __future__ import annotations

import datetime
import optparse
import os
import sys
import time
from pathlib import Path
from typing import Any

from .console import Console, say
from .database import read_array, rows, session
from .environment import Environment, read_environment
from .program import Failure, Parser, run

TESTS = {
    "unique_index_violation": "Check for violated unique indexes",
    "duplicate": "Check for duplicate entries",
    "missing_extraneous": "Cross consistency check for missing or extraneous entries",
    "inconsistent": "Cross consistency check for master segment inconsistency",
    "foreign_key": "Check foreign keys",
    "acl": "Cross consistency check for access control privileges",
    "pgclass": "Check pg_class entry that does not have any correspond pg_attribute entry",
    "namespace": "Check for schemas with a missing schema definition",
    "distribution_policy": "Check constraints on randomly distributed tables",
    "dependency": "Check for dependency on non-existent objects",
    "owner": "Check table ownership that is inconsistent with the master database",
    "part_integrity": "Check pg_partition branch integrity, partition with oids, partition distribution policy",
    "part_constraint": "Check constraints on partitioned tables",
    "orphaned_toast_tables": "Check pg_class and pg_depend for orphaned TOAST tables",
    "aoseg_table": "Check that vpinfo in aoseg table is consistent with pg_attribute",
}
NOT_BY_DEFAULT = ("acl", "owner")
ONLINE = (
    "unique_index_violation", "duplicate", "missing_extraneous", "inconsistent", "foreign_key", "part_integrity",
    "part_constraint", "orphaned_toast_tables",
)  # fmt: skip

QUERIES = {
    "duplicate": "SELECT localoid::regclass::text FROM gp_distribution_policy GROUP BY localoid HAVING count(*) > 1",
    "distribution_policy": "SELECT localoid::regclass::text FROM gp_distribution_policy"
    " WHERE numsegments > (SELECT count(*) FROM gp_segment_configuration WHERE role = 'p' AND content >= 0)",
    "part_integrity": "SELECT r.parchildrelid::regclass::text FROM pg_partition_rule r"
    " JOIN pg_partition p ON p.oid = r.paroid"
    " JOIN gp_distribution_policy child ON child.localoid = r.parchildrelid"
    " JOIN gp_distribution_policy root ON root.localoid = p.parrelid WHERE child.numsegments <> root.numsegments",
}


def check(connection: Any, dbname: str, names: list[str], batch: int, port: int) -> int:
    """Run the tests on one database; the number of issues."""
    say(f"\nConnected as user 'gpadmin' to database '{dbname}', port '{port}', gpdb version '6.24'")
    say("-" * 67)
    say(f"Batch size: {batch}")
    start, issues = time.monotonic(), []
    for name in names:
        say(f"Performing test '{name}'")
        begun = time.monotonic()
        found = [row[0] for row in rows(connection, QUERIES[name])] if name in QUERIES else []
        issues += [(name, relation) for relation in found]
        spent = time.monotonic() - begun
        say(f"Total runtime for test '{name}': 0:00:{spent:05.2f}")
    say("\nSUMMARY REPORT\n" + "=" * 67)
    elapsed = datetime.timedelta(seconds=int(time.monotonic() - start))
    now = f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S}"
    say(f"Completed {len(names)} test(s) on database '{dbname}' at {now} with elapsed time {elapsed}")
    if not issues:
        say("Found no catalog issue\n")
        return 0
    _report(connection, issues)
    return len(issues)


def _report(connection: Any, issues: list[tuple[str, str]]) -> None:
    """As the real one (checkcatReport): objects with their tests, or only the names of tests that it does not list."""
    listed = [relation for name, relation in issues if name == "duplicate"]
    if listed:
        say(f"Found a total of {len(listed)} issue(s)")
        for relation in listed:
            ((oid,),) = rows(connection, "SELECT %s::regclass::oid", (relation,))
            say(f"\n----------------------------------------------------\nObject oid: {oid}\nTable name: pg_class\n")
            say("    Name of test which found this issue: duplicate_gp_distribution_policy\n")
        say("")
    others = [(name, relation) for name, relation in issues if name != "duplicate"]
    if others:
        log = Path.home() / "gpAdminLogs" / f"gpcheckcat_{datetime.date.today():%Y%m%d}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.writelines(f"[FAIL] {name}: {relation}\n" for name, relation in others)
        say(f"Failed test(s) that are not reported here: {', '.join(dict.fromkeys(name for name, _ in others))}")
        say(f"See {log} for detail\n")


def run_checks(environment: Environment, options: optparse.Values, dbnames: list[str]) -> int:
    """All databases asked for."""
    if (environment.data_directory / "gpexpand.status").exists():
        state = "the cluster is in a reconfiguration state"
        say(f"ERROR: Usage of gpcheckcat is not supported while {state}, exit gpcheckcat")
        return 1
    names = _chosen(options)
    with session(environment, "template1") as connection:
        limit = len(read_array(connection).primaries) + 1
        if options.all:
            found = rows(connection, "SELECT datname FROM pg_database WHERE datallowconn ORDER BY datname")
            dbnames = [name for (name,) in found]
    if options.batch > limit:
        say(f"Truncated batch size to number of primaries: {limit}")
    issues = 0
    for dbname in dbnames:
        with session(environment, dbname) as connection:
            issues += check(connection, dbname, names, min(options.batch, limit), environment.port)
    return 3 if issues else 0


def _chosen(options: optparse.Values) -> list[str]:
    if options.test:
        wanted = options.test.split(",")
        unknown = [name for name in wanted if name not in TESTS]
        if unknown:
            raise Failure(f"'{unknown[0]}' is not a valid test")
        return wanted
    if options.online:
        return list(ONLINE)
    return [name for name in TESTS if name not in NOT_BY_DEFAULT]


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 no issue, 3 issues, 1 or 2 could not run."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("gpcheckcat", "Check the catalogs")
    parser.remove_option("-l")
    parser.flags("-l list", "-A all", "-O online", "-x cross", "-o offline")
    parser.add_option("-R", dest="test", default=None)
    parser.add_option("-p", dest="port", type="int", default=None)
    parser.add_option("-P", dest="password", default=None)
    parser.add_option("-g", dest="directory", default=None)
    options, dbnames = parser.parse_args(given)
    if options.list:
        say("\nList of gpcheckcat tests:\n")
        for name, text in TESTS.items():
            say(f"{name:>25}: {text}")
        say("")
        return 0
    if options.help or options.version:
        parser.read(given)
    environment = read_environment()
    names = dbnames or [os.environ.get("PGDATABASE", "template1")]
    return run(Console("gpcheckcat", quiet=True), lambda: run_checks(environment, options, names))
