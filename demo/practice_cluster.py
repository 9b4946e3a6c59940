"""The practice cluster as the demo uses it: through its command line only, as a person would."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import layout

ROOT = Path(__file__).resolve().parent.parent


_OWN_CLOCK = re.compile(
    r"^\s*[\d.]+ s\s+"
)  # the sandbox tells seconds before each step; the demo has a clock of its own


class SandboxError(Exception):
    """A command of the sandbox failed; the text is its own last words."""


def new_hosts() -> list[str]:
    """The empty hosts that wait to be added, as the trigger form takes them: ``name=address``."""
    return [f"{host.name}={host.address}" for host in layout.HOSTS if not host.member]


def _fingerprint(folder: Path) -> str:
    """The same for the same sources."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


class PracticeCluster:
    """The sandbox under one state directory.

    :param state_dir: its directory; None for its own default ($SANDBOX_HOME, else ./.sandbox)
    """

    def __init__(self, state_dir: Path | None = None) -> None:
        self.state_dir = (state_dir or Path(os.environ.get("SANDBOX_HOME", ".sandbox"))).resolve()

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "sandbox", "--state-dir", str(self.state_dir), *arguments]

    def _run(self, *arguments: str, on_line: Callable[[str], None] | None = None) -> str:
        """Run one command; `on_line` hears each line while it is printed.

        :raises SandboxError: it exits with anything but 0
        """
        with subprocess.Popen(
            self._command(*arguments),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as child:
            assert child.stdout is not None
            lines = []
            for line in child.stdout:
                lines.append(line.rstrip())
                if on_line and line.strip():
                    on_line(_OWN_CLOCK.sub("", line).strip())
        if child.returncode != 0:
            last_words = "\n".join(lines[-15:]) or f"exit code {child.returncode}, nothing printed"
            raise SandboxError(f"`python -m sandbox {' '.join(arguments)}` failed:\n{last_words}")
        return "\n".join(lines)

    @property
    def _recipe_file(self) -> Path:
        """What made the cluster: the version of the sandbox and the size of the data."""
        return self.state_dir / "made-by-demo"

    @property
    def exists(self) -> bool:
        """Whether it was made before, running or not."""
        return (self.state_dir / "connection.json").exists()

    def up(self, size: int | None, on_line: Callable[[str], None], *, fresh: bool) -> None:
        """Make it or start it.

        :param size: MB of practice data; None for the sandbox's default
        :param on_line: hears each line it prints
        :param fresh: bring a cluster that was used before back to how it was made, or make it anew if another version
            of the sandbox, or another size, made it
        """
        recipe = f"{_fingerprint(ROOT / 'sandbox')} {size or 'default size'}"
        made_by = self._recipe_file.read_text(encoding="utf-8") if self._recipe_file.exists() else recipe
        if fresh and self.exists and made_by != recipe:
            on_line("an older one is deleted")
            self._run("down", "--purge", on_line=on_line)
        used = self.exists
        self._run("up", *(["--size", str(size)] if size else []), on_line=on_line)
        if not used:
            self._recipe_file.write_text(recipe, encoding="utf-8")
        elif fresh:
            self._run("reset", on_line=on_line)

    def down(self) -> None:
        """End all its processes; nothing happens where none was ever made."""
        if self.state_dir.exists():
            self._run("down")

    def status(self) -> tuple[bool, str]:
        """Whether it is up, and what it says about itself."""
        done = subprocess.run(
            self._command("status"), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        return done.returncode == 0, (done.stdout or done.stderr).strip()

    def connection(self) -> dict[str, Any]:
        """The Airflow connection to its coordinator."""
        done = subprocess.run(
            self._command("connection"), cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise SandboxError(f"`python -m sandbox connection` failed:\n{done.stderr.strip()}")
        connection: dict[str, Any] = json.loads(done.stdout)
        return connection
