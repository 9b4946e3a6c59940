"""Which host can log into which, as the gp utilities will."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from greenplum_expansion.hooks.remote import Script

_CONNECT_SECONDS = 5
LOGIN_SECONDS = 120.0  # for all logins of one host


def login_probe(names: Sequence[str]) -> Script:
    """Prints the names that cannot be logged into without a password, as the user who runs it."""
    quoted = "\n".join(map(shlex.quote, names))
    # Four at a time: a host that drops packets takes seconds, and sshd refuses more than MaxStartups at once.
    return Script(
        f"""
xargs -P 4 -n 1 bash -c '
    ssh -n -o BatchMode=yes -o ConnectTimeout={_CONNECT_SECONDS} -o StrictHostKeyChecking=yes -- "$1" true \\
        >/dev/null 2>&1 || echo "$1"' _ <<'END_OF_NAMES'
{quoted}
END_OF_NAMES
exit 0""",
        "try logins",
    )


def logins_to_try(old: Sequence[str], new: Sequence[str], others: Sequence[str] = ()) -> Mapping[str, list[str]]:
    """For each host the names it must be able to log into.

    :param old: hosts of the cluster
    :param new: hosts that are looked at: to and from each of them
    :param others: further new hosts, to which only
    """
    return {
        **{name: list(new) for name in old if new},
        **{name: [other for other in (*old, *new, *others) if other != name] for name in new},
    }
