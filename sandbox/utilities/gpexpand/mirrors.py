"""The last step of the preparation: new mirrors, by running gprecoverseg as a process of its own."""

from __future__ import annotations

import subprocess

from ..remote import ExecutionError, Result


def recover_mirrors() -> None:
    """Run ``gprecoverseg -a -F`` and wait.

    Not ``subprocess.run``: that kills the child when we are interrupted. The real child lives on and finishes its work,
    so the mirrors come up a little later although gpexpand has gone (recording 71).

    :raises ExecutionError: it failed; the cluster can be used without the new mirrors, gprecoverseg can be run again
    """
    child = subprocess.Popen(
        ["gprecoverseg", "-a", "-F"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    stdout, stderr = child.communicate()
    if child.returncode != 0:
        raise ExecutionError(
            "non-zero rc: " + str(child.returncode),
            "$GPHOME/bin/gprecoverseg -a -F",
            Result(child.returncode, stdout, stderr),
        )
