"""Why a new segment did not start: its own log says it, on its own host, until a rollback deletes it.

gpexpand says only "could not start server. Examine the log output." (gpexpand 6.24.3 and 7.0.0, recording 41).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.errors import ExpansionError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import Script

_DEATH = re.compile(r'"(?:FATAL|PANIC)","(?P<code>\w{5})","(?P<message>(?:[^"]|"")*)')
_LONGEST = 300  # characters of a message


def last_deaths(hook: GreenplumHook, instances: Iterable[NewInstance]) -> list[str]:
    """The last FATAL or PANIC in each instance's log, with its host; each message once.

    A host that cannot be asked is named, and nothing else is made of it: the failure to be explained is another.
    """
    by_host: dict[tuple[str, str], list[str]] = {}
    for instance in instances:
        by_host.setdefault((instance.hostname, instance.address), []).append(instance.datadir)
    said: dict[str, str] = {}
    for (hostname, address), directories in by_host.items():
        try:
            text = hook.host(hostname, address).run(_look(directories), timeout=60).stdout
        except ExpansionError as error:
            said.setdefault(f"{error.subject}: {error.cause}", f"logs on {hostname}")
            continue
        for line in text.splitlines():
            directory, _, entry = line.partition("\t")
            message = death(entry)
            if message:
                said.setdefault(message, f"{hostname}:{directory}")
    return [f"{where}: {message}" for message, where in said.items()]


def death(entry: str) -> str:
    """The message of a line of the server's log (CSV) if it is one that ends a server, else ""."""
    found = _DEATH.search(entry)
    if found is None:
        return ""
    message = " ".join(found["message"].replace('""', '"').split())
    return f"{message[:_LONGEST]} (SQLSTATE {found['code']})"


def _look(directories: list[str]) -> Script:
    """Greenplum 6 keeps its logs in pg_log, 7 in log; startup.log holds what was before there was a log, in CSV too."""
    quoted = " ".join(map(shlex.quote, directories))
    return Script(
        f"""
for d in {quoted}; do
    last=$(cat -- "$d"/log/*.csv "$d"/pg_log/*.csv "$d"/log/startup.log "$d"/pg_log/startup.log 2>/dev/null |
        grep -aE ',"(FATAL|PANIC)",' | LC_ALL=C sort | tail -n 1)
    [ -z "$last" ] || printf '%s\\t%s\\n' "$d" "$last"
done
exit 0""",
        "look into the logs of the new segments",
    )
