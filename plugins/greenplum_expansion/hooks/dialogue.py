"""A utility that asks questions: each is read before it is answered, and one that nobody expects gets no answer.

Answers that are sent ahead fit only as long as a utility asks what it asked in the version they were written for.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenplum_expansion.hooks.greenplum import UTILITY_TIMEOUT, GreenplumHook
from greenplum_expansion.hooks.remote import Script

_UNEXPECTED = "greenplum-expansion: unexpected question"


@dataclass(frozen=True)
class Dialogue:
    """How it went.

    :param output: everything it printed, answers not among it
    :param unexpected: the question for which there was no answer; its input was closed then. Empty if there was none
    """

    exit_code: int
    output: str
    unexpected: str


def talk(hook: GreenplumHook, argv: Sequence[str], answers: Mapping[str, str], *, cwd: str) -> Dialogue:
    """Run a gp utility on the coordinator and answer its questions.

    :param answers: a piece of the question's text, and what to answer; a piece that fits several is the first's
    :raises RemoteError: no connection, or it did not end in time
    """
    cases = "\n".join(
        f"            *{shlex.quote(question)}*) printf '%s\\n' {shlex.quote(answer)} >&8 ;;"
        for question, answer in answers.items()
    )
    # gppylib's prompts end with a line "> " that is not ended; Python 2 keeps it back unless it is told not to.
    text = f"""
export PYTHONUNBUFFERED=1
coproc UTILITY {{ {shlex.join(argv)} 2>&1; }}
pid=$UTILITY_PID
exec 8>&"${{UTILITY[1]}}" 9<&"${{UTILITY[0]}}"
eval "exec ${{UTILITY[1]}}>&- ${{UTILITY[0]}}<&-"
line= asked=
while IFS= read -r -u 9 -N 1 letter; do
    printf %s "$letter"
    if [ "$letter" = $'\\n' ]; then
        if [ -n "$line" ]; then asked="$asked $line"; else asked=; fi  # an empty line stands before each question
        line=
        continue
    fi
    line=$line$letter
    if [ "$line" = '> ' ]; then
        line=
        case $asked in
{cases}
            *) printf '\\n%s: %s\\n' {shlex.quote(_UNEXPECTED)} "$asked"; exec 8>&- ;;
        esac
        asked=
    fi
done
wait "$pid"
"""
    environment = hook.environment()
    result = hook.coordinator().run(
        Script(text, argv[0]), check=False, timeout=UTILITY_TIMEOUT, cwd=cwd, setup=environment.setup
    )
    lines = result.stdout.splitlines()
    unexpected = [line.removeprefix(f"{_UNEXPECTED}: ") for line in lines if line.startswith(_UNEXPECTED)]
    said = [line for line in lines if not line.startswith(_UNEXPECTED)]
    return Dialogue(result.exit_code, "\n".join(said) + result.stderr, unexpected[0].strip() if unexpected else "")
