"""analyzedb: ANALYZE tables of a database in parallel, with a report directory, skipping what is unchanged.

Unchanged append-optimised tables are not recognised here: the sandbox has no such storage, so every table is analyzed.
"""

from __future__ import annotations

import datetime
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from .console import Console, ask_yes_no
from .database import connect, execute, rows, session
from .environment import Environment, read_environment
from .program import Failure, Parser, run
from .remote import in_parallel

TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname), pp.parrelid IS NOT NULL
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN gp_distribution_policy p ON p.localoid = c.oid
LEFT JOIN pg_partition pp ON pp.parrelid = c.oid AND pp.parlevel = 0
LEFT JOIN pg_partition inner_level ON inner_level.parrelid = c.oid AND inner_level.parlevel > 0
WHERE c.relkind IN ('r', 'm') AND c.relstorage <> 'x' AND inner_level.parrelid IS NULL
ORDER BY 2, 1"""


def tables(environment: Environment, dbname: str, chosen: Sequence[str]) -> list[tuple[str, bool]]:
    """Name and whether it is a partition root; roots last."""
    with session(environment, dbname) as connection:
        found = [(str(name), bool(root)) for name, root in rows(connection, TABLES)]
    if chosen:
        found = [(name, root) for name, root in found if name in chosen or name.split(".")[0] in chosen]
        if not found:
            raise Failure(f"No tables match {', '.join(chosen)} in database {dbname}")
    return found


def analyze(environment: Environment, dbname: str, work: list[tuple[str, bool]], workers: int, console: Console) -> int:
    """Analyze all; the number of tables that failed."""
    lock, done, numbers = threading.Lock(), 0, iter(range(len(work)))

    def one(item: tuple[str, bool]) -> bool:
        nonlocal done
        name, root = item
        with lock:
            worker = next(numbers) % workers
        what = f"analyze {'rootpartition ' if root else ''}{name}"
        console.info(f"[worker{worker}] started  {what}")
        start = time.monotonic()
        try:
            connection = connect(environment, dbname)
            try:
                execute(connection, f"ANALYZE {name}")
            finally:
                connection.close()
        except Exception as problem:  # noqa: BLE001 - one table's failure is reported and counted
            console.error(f"[worker{worker}] failed {what}: {problem}")
            return False
        console.info(f"[worker{worker}] finished {what}. Elapsed time: {int(time.monotonic() - start)} seconds.")
        with lock:
            done += 1
            if done % 10 == 0:
                console.info(f"progress status: completed {done} out of {len(work)} tables or partitions")
        return True

    return in_parallel(one, work, workers).count(False)


def write_report(environment: Environment, dbname: str, work: list[tuple[str, bool]], console: Console) -> None:
    """The directory db_analyze in the coordinator's data directory."""
    base = environment.data_directory / "db_analyze" / dbname
    if not base.exists():
        base.mkdir(parents=True)
        console.info(f"Created {base}")
    console.info(
        f"about to request exclusive lock on '{base}/write_lock_semaphore' for analyzedb,"
        " to be able to write results..."
    )
    console.info("acquired analyzedb output lock, proceeding...")
    stamp = f"{datetime.datetime.now():%Y%m%d%H%M%S}"
    directory = base / stamp
    directory.mkdir()
    console.info(f"Created {directory}")
    names = "".join(f"{name}\n" for name, _ in work)
    for title, suffix, text in (
        ("ao state", "ao_state_file", ""),
        ("last operation", "last_operation", ""),
        ("column state", "col_state_file", names),
        ("report", "report", f"Report for analyzedb on {dbname}\nTables analyzed:\n{names}"),
    ):
        path = directory / f"analyze_{stamp}_{suffix}"
        console.info(f"Writing {title} file {path}")
        Path(path).write_text(text, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Exit codes: 0 done, 1 some table failed, 2 could not begin."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = Parser("analyzedb", "Analyze a database")
    parser.remove_option("-d")
    parser.add_option("-d", dest="dbname", default=None)
    parser.add_option("-s", dest="schema", default=None)
    parser.add_option("-t", dest="table", default=None)
    parser.add_option("-p", dest="workers", type="int", default=5)
    parser.flags("-a no_prompt", "--full full", "--gen_profile_only profile_only", "--skip_root_stats skip_root")
    options = parser.read(given)
    if not options.dbname:
        parser.error("option -d required")
    if not 1 <= options.workers <= 10:
        parser.error("option -p requires a value between 1 and 10")
    console = Console("analyzedb", quiet=options.quiet, verbose=options.verbose)
    console.info(f"analyzedb -d {options.dbname}")

    def work() -> int:
        environment = read_environment()
        chosen = [name for name in (options.schema, options.table) if name]
        found = tables(environment, options.dbname, chosen)
        if not options.no_prompt and not ask_yes_no("\nContinue with Analyze", "N"):
            raise Failure("User canceled")
        start = time.monotonic()
        failed = analyze(environment, options.dbname, found, options.workers, console)
        done = len(found) - failed
        console.info(
            f"Total elapsed time: {int(time.monotonic() - start)} seconds."
            f" Analyzed {done} out of {len(found)} table(s) or partition(s) successfully."
        )
        write_report(environment, options.dbname, found, console)
        console.info("Done.")
        return 1 if failed else 0

    return run(console, work)
