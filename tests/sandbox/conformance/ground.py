"""What the scenarios stand on: words of the recorded cluster, files its commands name, and preparations."""

from __future__ import annotations

from .practice import Practice
from .recordings import load
from .steps import Prepare

NEW = ("sdw3", "sdw4")
STRANGERS = {"sdw5": "sdw3", "sdw6": "sdw4", "hosts56": "new_hosts", "expand_56": "expand_4seg"}
"""The recorded cluster had a third pair of hosts, strangers when the first pair was known already."""
SECOND_EXPANSION = {
    **STRANGERS, "gpseg8": "gpseg4", "gpseg9": "gpseg5", "gpseg10": "gpseg6", "gpseg11": "gpseg7",
    ":19:8:": ":11:4:", ":20:9:": ":12:5:", ":21:10:": ":13:6:", ":22:11:": ":14:7:", "-b 16": "-b 8",
}  # fmt: skip
"""... and was expanded a second time, from eight segments, where the practice cluster is expanded from four."""

BAD_INPUTS = (
    "6fields", "colon", "content_exists", "content_gap", "dbid_exists", "dup_datadir", "dup_dbid", "dup_port", "empty",
    "no_mirror", "only_primaries", "port", "role", "same_host",
)  # fmt: skip


MOVING = "/opt/sandbox/bin/python conf/moving.py"
"""Returns when two tables have moved in this run, and one is on its way.

Asked in this order: what is on its way was begun by this run, so its first line is in the log, which ends the count of
the run before; and asked once more, as that table may have arrived while the log was read. One program and one session,
not a chain of psql: on a busy machine all tables have moved before such a chain comes to its end.
"""
_MOVING = """\
import pathlib, time, psycopg2
session = psycopg2.connect(host="localhost", dbname="postgres")
session.autocommit = True
cursor = session.cursor()
def on_its_way():
    cursor.execute("select 1 from gpexpand.status_detail where status = 'IN PROGRESS'")
    return cursor.fetchone() is not None
def finished():
    logs = "".join(path.read_text() for path in sorted(pathlib.Path("gpAdminLogs").glob("gpexpand_*.log")))
    return logs.rpartition("Querying gpexpand")[2].count("Finished expanding")
while not (on_its_way() and finished() > 1 and on_its_way()):
    time.sleep(0.02)
"""


def _file_of(recording: str) -> str:
    """The file that a recording prints before it uses it."""
    lines = load(recording).stdout.split("\n")
    rows = [line for line in lines[:10] if line.startswith(("sdw", "#"))]
    return "\n".join(rows) + ("\n" if rows else "")


def _write(path: str, text: str) -> str:
    return f"cat > {path} <<'END'\n{text}END"


def _files(_: Practice | None = None) -> str:
    commands = [
        "mkdir -p conf",
        _write("conf/hosts_all", "mdw\nsmdw\nsdw1\nsdw2\n"),
        _write("conf/new_hosts", "sdw3\nsdw4\n"),
        _write("conf/hosts_seg", "sdw1\nsdw2\n"),
        _write("conf/expand_4seg", _file_of("30_gpexpand_i_plain")),
        _write("conf/odd_dbid_gap", _file_of("23_gpexpand_i_odd_dbid_gap")),
        _write("conf/bad_trail", _file_of("23x_gpexpand_i_trailing_space_after_role_ACCEPTED")),
        *(
            _write(f"conf/bad_{name}", _file_of(f"23_gpexpand_i_bad_{name}"))
            for name in (*BAD_INPUTS, "space", "unreach")
        ),
        _write("conf/gpx.sql", GPX),
        _write("conf/moving.py", _MOVING),
        _write("conf/cat.sql", CAT),
    ]
    return "\n".join(commands)


GPX = r"""\echo -- gpexpand.status
select * from gpexpand.status order by updated;
\echo -- gpexpand.status_detail
select * from gpexpand.status_detail order by fq_name;
\echo -- by status
select status, count(*), sum(source_bytes) from gpexpand.status_detail group by 1 order by 1;
\echo -- gpexpand.expansion_progress
select * from gpexpand.expansion_progress order by 1;
"""
CAT = r"""\echo -- gp_segment_configuration
select * from gp_segment_configuration order by content, dbid;
\echo -- gp_distribution_policy joined with names (user schemas)
select p.localoid, n.nspname, c.relname, c.relkind, c.relstorage, p.policytype, p.numsegments, p.distkey, p.distclass,
 pg_get_table_distributedby(c.oid) distby from gp_distribution_policy p join pg_class c on c.oid = p.localoid
 join pg_namespace n on n.oid = c.relnamespace where n.nspname not in ('pg_catalog') order by 2, 3;
"""
"""The files conf/gpx.sql and conf/cat.sql were not recorded; these statements give what their output shows."""

FILES = Prepare("files that the recorded commands name", _files())
ROOM = tuple(
    Prepare("the new hosts had these directories when recorded", "mkdir -p /data/primary /data/mirror", h) for h in NEW
)


def let_in(practice: Practice, hosts: tuple[str, ...] = NEW) -> None:
    key = practice.run("cat ~/.ssh/id_rsa.pub").stdout.strip()
    for host in hosts:
        practice.run(f"echo '{key}' >> ~/.ssh/authorized_keys", host)


TRUST = Prepare("the new hosts let gpadmin@mdw in", act=let_in)
KNOWN = Prepare("the new hosts' keys are known", "ssh-keyscan sdw3 sdw4 2>/dev/null >> ~/.ssh/known_hosts")
NO_ORPHANS = tuple(
    Prepare(
        "servers that a rollback leaves running end by themselves after a minute",
        "pkill -x postgres; while pgrep -x postgres >/dev/null; do sleep 0.1; done; rm -f /tmp/.s.PGSQL.*",
        host,
    )
    for host in NEW
)
SYNCED = Prepare(
    "all segments in sync",
    'until [ "$(psql -d postgres -Atc "select count(*) from gp_segment_configuration where content >= 0 and'
    " (mode <> 's' or status <> 'u')\")\" = 0 ]; do sleep 0.2; done",
)
ROLLED_BACK = Prepare("rolled back", "gpexpand -r >/dev/null; test ! -e /data/master/gpseg-1/gpexpand.status")
REDO = Prepare(
    "leaves that have moved may move again: the way to another run on a cluster that is expanded already",
    "psql -q -d postgres -c \"update gpexpand.status_detail set status = 'NOT STARTED', expansion_started = null,"
    " expansion_finished = null where fq_name like 'sales.facts%'\" && psql -q -d postgres -c \"insert into"
    " gpexpand.status values ('EXPANSION STOPPED', now()::timestamp)\"",
)
BOOKS = Prepare(
    "rows of tables that fail for ever are taken out of gpexpand's books",
    "psql -q -d postgres -c \"delete from gpexpand.status_detail where status = 'NOT STARTED'\"",
)
BLOCKER = Prepare(
    "an open transaction reads the tables that are to move",
    "nohup psql -d demo -c 'begin; select count(*) from sales.facts; select pg_sleep(4); commit' >/dev/null 2>&1 &",
)


def kill_primary(practice: Practice) -> None:
    """The primary of content 1 dies when two tables have moved and one is on its way."""
    practice.start(
        f"timeout 120 bash -c '{_shell(MOVING)}' && ssh sdw1 'kill -9 $(head -1 /data/primary/gpseg1/postmaster.pid)'"
    )


def _shell(condition: str) -> str:
    return f"until {condition}; do sleep 0.05; done".replace("'", "'\\''")


def foreign_server() -> str:
    program = (
        "import os, socket, time; s = socket.create_server(('::', 6000), family=socket.AF_INET6, dualstack_ipv6=True);"
        " open('/tmp/listener.pid', 'w').write(str(os.getpid())); time.sleep(600)"
    )
    return (
        f'rm -f /tmp/listener.pid; nohup /opt/sandbox/bin/python -c "{program}" >/dev/null 2>&1 </dev/null &'
        " until [ -s /tmp/listener.pid ]; do sleep 0.1; done"
    )
