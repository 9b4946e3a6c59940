"""The same script on many hosts of the cluster, run from the coordinator with the cluster's own keys.

One round trip for all of them, eight at a time: the coordinator logs in as the gp utilities do, so that what holds for
them is what is seen, and the connection's key need not open every segment host.
"""

from __future__ import annotations

import base64
import binascii
import shlex
from collections.abc import Mapping, Sequence

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import CommandResult, Script

AT_A_TIME = 8  # below MaxStartups (10) of any one host, and small beside what gpstart opens
_CONNECT_SECONDS = 10
_UNREACHED = 255  # ssh's own exit code
_MARK = "greenplum-expansion-begins"


def run_on_members(
    hook: GreenplumHook, scripts: Mapping[str, Script], *, timeout: float = 60.0
) -> dict[str, CommandResult]:
    """Run a script on each host; one that cannot be reached has exit code 255, and says why on stderr.

    :param scripts: by host name as in the catalog; the coordinator's own runs there without ssh
    :param timeout: seconds for each host, then its script is ended (exit code 124)
    :return: by host name; a host without an answer (the coordinator was interrupted) is not in it
    :raises RemoteError: the coordinator itself cannot be asked
    """
    if not scripts:
        return {}
    here = hook.environment().hostname
    names = list(scripts)
    body = "\n".join(
        f"printf '%s\\n' {shlex.quote(_framed(scripts[name].text))} >\"$d/{number}.in\""
        for number, name in enumerate(names)
    )
    jobs = "\n".join(f"{number} {shlex.quote(name)}" for number, name in enumerate(names))
    rounds = -(-len(names) // AT_A_TIME)
    result = hook.coordinator().run(
        Script(
            _FAN_OUT.format(body=body, jobs=jobs, here=shlex.quote(here), seconds=int(timeout)), "look at all hosts"
        ),
        timeout=rounds * (timeout + _CONNECT_SECONDS) + 30,
    )
    found = {}
    for line in result.stdout.splitlines():
        number, code, out, err = (line.split(" ") + [""] * 4)[:4]
        found[names[int(number)]] = CommandResult(int(code), _after_mark(_decoded(out)), _decoded(err))
    return found


def unreached(results: Mapping[str, CommandResult], names: Sequence[str]) -> dict[str, str]:
    """Hosts that gave no answer, and what was said instead."""
    silent = {}
    for name in names:
        result = results.get(name)
        if result is None:
            silent[name] = "no answer"
        elif result.exit_code:
            said = result.stderr.strip().splitlines()
            silent[name] = said[-1] if said else f"exit code {result.exit_code}"
    return silent


def _framed(text: str) -> str:
    return f"{{ printf '%s\\n' {_MARK}\n{text}\n}}; exit"


def _after_mark(text: str) -> str:
    """Without what a login shell printed before."""
    before, found, after = text.partition(f"{_MARK}\n")
    return after if found else before


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text).decode("utf-8", "replace")
    except binascii.Error:
        return ""


# xargs rather than bash's `wait -n`, which bash 4.2 (RHEL 7) does not have. ssh reads its script from a file, so a
# second one can never swallow it.
_FAN_OUT = """
d=$(mktemp -d) || exit 1
trap 'rm -rf -- "$d"' EXIT
{body}
cat >"$d/one" <<'END_OF_ONE'
d=$1 number=$2 name=$3
shell='exec env BASH_ENV= ENV= LC_ALL=C LANG=C bash --noprofile --norc -s'
if [ "$name" = {here} ]; then
    timeout {seconds} bash --noprofile --norc -s
else
    timeout {seconds} ssh -T -o BatchMode=yes -o ConnectTimeout=10 -o LogLevel=ERROR -- "$name" "$shell"
fi <"$d/$number.in" >"$d/$number.out" 2>"$d/$number.err"
echo $? >"$d/$number.code"
END_OF_ONE
xargs -P 8 -n 2 bash "$d/one" "$d" <<'END_OF_JOBS'
{jobs}
END_OF_JOBS
for code in "$d"/*.code; do
    n=${{code%.code}}
    printf '%s %s %s %s\\n' "${{n##*/}}" "$(cat "$code")" "$(base64 -w0 "$n.out")" "$(base64 -w0 "$n.err")"
done
exit 0"""
