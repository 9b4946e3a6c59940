"""Hosts that are this machine, reached by an ssh that needs no network."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from greenplum_expansion.hooks.remote import CommandResult, Script

SSH = """#!/bin/bash
while [ "$1" != -- ]; do shift; done
case $2 in
    down) echo "ssh: connect to host down port 22: Connection refused" >&2; exit 255;;
    noisy) echo "Welcome to noisy!";;
esac
HOST=$2 exec bash -c "$3"
"""


class LocalHost:
    """Runs scripts here, as a host would."""

    def __init__(self, hostname: str, directory: Path) -> None:
        self.hostname = hostname
        self.path = f"{directory}:{os.environ['PATH']}"

    def run(self, script: Script, timeout: float = 60.0, check: bool = True) -> CommandResult:
        done = subprocess.run(
            ["bash"],
            input=script.text,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**os.environ, "PATH": self.path, "HOST": self.hostname},
        )
        assert not check or done.returncode == 0, done
        return CommandResult(done.returncode, done.stdout, done.stderr)


def local_hook(directory: Path) -> Any:
    """A coordinator called mdw; the host "down" cannot be reached from it."""
    (directory / "ssh").write_text(SSH)
    (directory / "ssh").chmod(0o755)
    environment = SimpleNamespace(hostname="mdw", path_script="/nowhere/greenplum_path.sh")
    coordinator = LocalHost("mdw", directory)
    return SimpleNamespace(environment=lambda: environment, coordinator=lambda: coordinator)
