"""The shell side of detached jobs. Everything here is POSIX sh and Linux /proc; the Python side is jobs.py.

A job is a directory, mode 700:

==============  =======================================================================================
command.sh      what runs: writes its identity, sets up the environment, changes directory, ``exec``
run.sh          the supervisor: the one process that may start command.sh, and that records its exit code
supervisor      identity of the supervisor: ``pid start-time boot-id``. Exists = the job was started, for ever
command         identity of the command
log             what the command prints, stdout and stderr together
exit_code       a number; appears by rename when the command has ended
followed/NAME   how many bytes of the log the follower NAME has passed on
==============  =======================================================================================

*Once.* The supervisor writes its identity to a file of its own and hard-links that to ``supervisor``: link(2) fails
when the name exists, so of any number of supervisors one goes on, and a crash at any point leaves either no name
(nothing ran) or the name with its whole content. A submitter killed before it learned of the start finds the job on its
next try.

*Alive* means that pid, start time (field 22 of /proc/PID/stat) and boot id are all the recorded ones and that the
process is no zombie. A reused pid has another start time, a reboot another boot id. If the supervisor was killed, the
command counts, too: a gpexpand that goes on without its supervisor is running, not lost.

*Signals* go to the supervisor's process group, which is the command's. The supervisor traps INT, TERM and HUP with a
no-op (an *ignored* signal would be inherited by the command; a trapped one is reset): it lives to record the exit code.
"""

from __future__ import annotations

import shlex

# Sourced by every script. All variables begin with j_; the caller has cd'ed nowhere and set j_dir.
LIBRARY = r"""
j_identity() {
    j_line=$(cat "/proc/$1/stat") || return 1
    j_pid=$1
    set -- ${j_line##*) }
    printf '%s %s %s\n' "$j_pid" "${20}" "$(cat /proc/sys/kernel/random/boot_id)"
}
j_alive() {
    j_pid= j_start= j_boot= j_group=
    [ -r "$1" ] && read -r j_pid j_start j_boot <"$1" || return 1
    [ "$j_boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || return 1
    j_line=$(cat "/proc/$j_pid/stat" 2>/dev/null) || return 1
    set -- ${j_line##*) }
    case $1 in Z | X | '') return 1 ;; esac
    j_group=$3
    [ "${20}" = "$j_start" ]
}
j_probe() {
    j_state=ABSENT j_exit= j_why= j_running= j_super= j_group_alive=
    if [ -e "$j_dir/supervisor" ]; then
        # First who lives, then the exit code: it is written before the supervisor ends.
        if j_alive "$j_dir/supervisor"; then j_running=yes; j_group_alive=$j_group
        elif j_alive "$j_dir/command"; then j_running=yes; j_group_alive=$j_group; j_why='its supervisor is gone'
        fi
        read -r j_super j_start j_boot <"$j_dir/supervisor"
        [ -r "$j_dir/exit_code" ] && read -r j_exit <"$j_dir/exit_code"
        case $j_exit in *[!0-9]* ) j_exit= ;; esac
        if [ -n "$j_exit" ]; then j_state=FINISHED
        elif [ -n "$j_running" ]; then j_state=RUNNING
        else
            j_state=LOST j_why='its process is gone and left no exit code'
            [ "$j_boot" = "$(cat /proc/sys/kernel/random/boot_id)" ] || j_why='the host was restarted meanwhile'
        fi
    elif [ -e "$j_dir" ] && ! [ -x "$j_dir" ]; then
        echo "$j_dir may not be entered" >&2; return 1
    fi
    j_size=$(stat -c %s -- "$j_dir/log" 2>/dev/null) || j_size=0
    j_began=$(stat -c %Y -- "$j_dir/supervisor" 2>/dev/null) || j_began=
    j_ended=$(stat -c %Y -- "$j_dir/exit_code" 2>/dev/null) || j_ended=
    printf 'state=%s\npid=%s\nexit_code=%s\nlog_size=%s\nstarted=%s\nfinished=%s\nwhy=%s\n' \
        "$j_state" "$j_super" "$j_exit" "$j_size" "$j_began" "$j_ended" "$j_why"
}
"""


def supervisor(job_dir: str) -> str:
    """Text of run.sh."""
    return f"""#!/bin/sh
# Runs command.sh once and records how it ended. Started by Airflow's greenplum_expansion; safe to read, not to run.
j_dir={shlex.quote(job_dir)}
{LIBRARY}
trap : INT TERM HUP
j_umask=$(umask)
umask 077
j_identity $$ >"$j_dir/supervisor.$$" || exit 1
ln "$j_dir/supervisor.$$" "$j_dir/supervisor" 2>/dev/null || j_second=yes
rm -f "$j_dir/supervisor.$$"
[ -z "$j_second" ] || exit 0
exec >>"$j_dir/log" 2>&1 </dev/null
(umask "$j_umask"; exec bash --noprofile --norc "$j_dir/command.sh")
j_exit=$?
printf '%s\\n' "$j_exit" >"$j_dir/exit_code.new" && mv -f "$j_dir/exit_code.new" "$j_dir/exit_code"
"""


def command(job_dir: str, cwd: str, setup: str, body: str) -> str:
    """Text of command.sh.

    :param setup: trusted shell lines (source greenplum_path.sh, export …)
    :param body: quoted by the caller; a single command is preceded by ``exec``
    """
    return f"""# What the job runs, under bash; started by run.sh beside it.
j_dir={shlex.quote(job_dir)}
{LIBRARY}
(umask 077; j_identity $$ >"$j_dir/command.new" && mv -f "$j_dir/command.new" "$j_dir/command") || exit 125
export LC_ALL=C LANG=C
cd -- {shlex.quote(cwd)} || exit 126
{setup}
{body}
"""


def probe(job_dir: str) -> str:
    """Script: print the job's status as ``name=value`` lines."""
    return f"j_dir={shlex.quote(job_dir)}\n{LIBRARY}\nj_probe"


def start(job_dir: str, run_text: str, command_text: str) -> str:
    """Script: start the job unless it was ever started, wait until it has its identity, print its status.

    Prints ``same_command=no`` when the job exists with another command.sh.
    """
    return f"""j_dir={shlex.quote(job_dir)}
{LIBRARY}
umask 077
mkdir -p -- "$j_dir" && chmod 700 -- "$j_dir" || exit 1
j_command={shlex.quote(command_text)}
j_run={shlex.quote(run_text)}
if ! [ -e "$j_dir/supervisor" ]; then
    for j_name in command.sh run.sh; do
        j_new=$(mktemp -- "$j_dir/.new.XXXXXX") || exit 1
        if [ "$j_name" = run.sh ]; then printf '%s' "$j_run"; else printf '%s' "$j_command"; fi >"$j_new" || exit 1
        chmod 700 -- "$j_new" && mv -f -- "$j_new" "$j_dir/$j_name" || exit 1
    done
    umask 022
    # With job control a child is a group leader, so setsid forks and returns at once, and, unlike after '&', SIGINT is
    # not ignored in it: gpexpand could not be interrupted otherwise.
    set -m
    setsid /bin/sh "$j_dir/run.sh" </dev/null >/dev/null 2>&1
    set +m
    j_turn=0
    while ! [ -e "$j_dir/supervisor" ] && [ "$j_turn" -lt 200 ]; do sleep 0.05; j_turn=$((j_turn + 1)); done
    [ -e "$j_dir/supervisor" ] || {{ echo "the job did not start within 10 s: $j_dir/run.sh" >&2; exit 1; }}
fi
[ "$(cat -- "$j_dir/command.sh"; echo x)" = "${{j_command}}x" ] && echo same_command=yes || echo same_command=no
j_probe"""


def signal(job_dir: str, name: str) -> str:
    """Script: send a signal to the job's process group if it is running; print the status found before."""
    return f"""j_dir={shlex.quote(job_dir)}
{LIBRARY}
j_probe || exit 1
[ "$j_state" = RUNNING ] && [ "$j_group_alive" -gt 1 ] || exit 0
kill -s {shlex.quote(name)} -- -$j_group_alive"""


def follow(job_dir: str, offset: int, limit: int, follower: str) -> str:
    """Script: print the status, ``offset=N``, an empty line, then up to ``limit`` bytes of the log from there.

    :param offset: bytes to skip; -1 = where this follower stopped the last time (0 if never)
    """
    name = shlex.quote(follower)
    return f"""j_dir={shlex.quote(job_dir)}
{LIBRARY}
j_probe || exit 1
j_offset={int(offset)}
if [ "$j_offset" -lt 0 ]; then
    j_offset=
    [ -r "$j_dir/followed/"{name} ] && read -r j_offset <"$j_dir/followed/"{name}
    case $j_offset in '' | *[!0-9]*) j_offset=0 ;; esac
fi
printf 'offset=%s\\n\\n' "$j_offset"
[ "$j_size" -le "$j_offset" ] || tail -c "+$((j_offset + 1))" -- "$j_dir/log" | head -c {int(limit)}"""


def note(job_dir: str, follower: str, offset: int) -> str:
    """Script: record that a follower has passed on this many bytes of the log."""
    path = f'"$j_dir/followed/"{shlex.quote(follower)}'
    return f"""j_dir={shlex.quote(job_dir)}
umask 077
[ -d "$j_dir" ] && mkdir -p -- "$j_dir/followed" || exit 1
printf '%s\\n' {int(offset)} >{path}.new && mv -f -- {path}.new {path}"""
