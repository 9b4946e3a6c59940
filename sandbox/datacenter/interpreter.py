"""Which Python the hosts get, and how it comes to lie there.

The hosts run the interpreter `up` was called with. Debian's own lies under /usr, which every host has. Another one (pyenv, uv,
a CI's tool cache) is shown read-only at its own path, since a shared libpython is found by that path; parents of it, closed
as they may be on the machine, are fresh open directories in the host. On top of it lies a virtual environment,
/opt/sandbox, with nothing but this package and psycopg2.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.datacenter.errors import SandboxError

VENV = "/opt/sandbox"
_PTH = "import sys, os; sys.pycache_prefix = '/var/cache/sandbox/%d' % os.getuid()\n" + VENV + "\n"


@dataclass(frozen=True)
class Interpreter:
    """`prefix`: installation to show at its own path, None under /usr. `libraries`: modules to show beside the package."""

    executable: str
    prefix: str | None
    version: str
    libraries: tuple[str, ...]

    @property
    def site_packages(self) -> str:
        """Where the virtual environment in a host looks for modules."""
        return f"{VENV}/lib/python{self.version}/site-packages"


def find_interpreter(*, database: bool) -> Interpreter:
    """The interpreter of this process, without its virtual environment.

    :raises SandboxError: other users may not read it, or psycopg2 is needed and missing
    """
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    base = os.path.realpath(sys.base_prefix)
    in_usr = base == "/usr" or (base.startswith("/usr/") and not base.startswith("/usr/local"))
    prefix = None if in_usr else base
    _require_readable_by_others(Path(executable), "the Python interpreter")
    libraries = _psycopg2()
    if database and not libraries:
        raise SandboxError(
            "psycopg2 is missing",
            f"{sys.executable} cannot import it, and the sandbox's database is managed with it",
            f"{sys.executable} -m pip install psycopg2-binary (or apt-get install python3-psycopg2)",
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(executable, prefix, version, libraries)


def build_venv(root: str, interpreter: Interpreter) -> list[tuple[str, str]]:
    """Write the virtual environment under `root` (all but the mounted parts).

    :return: (source on the machine, target under root) of what is to be bound read-only
    """
    package = Path(__file__).resolve().parents[1]
    _require_readable_by_others(package / "layout.py", "the sandbox's own code")
    site = Path(root + interpreter.site_packages)
    site.mkdir(parents=True)
    (site / "sandbox.pth").write_text(_PTH)
    bin_directory = Path(f"{root}{VENV}/bin")
    bin_directory.mkdir()
    for name in ("python", "python3", f"python{interpreter.version}"):
        (bin_directory / name).symlink_to(interpreter.executable)
    home = os.path.dirname(interpreter.executable)
    Path(f"{root}{VENV}/pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {interpreter.version}\n"
    )
    binds = [(str(package), f"{root}{VENV}/sandbox")]
    binds += [(library, str(site / os.path.basename(library))) for library in interpreter.libraries]
    for source, target in binds:
        if os.path.isdir(source):
            os.makedirs(target)
        else:
            Path(target).touch()
    return binds


def _psycopg2() -> tuple[str, ...]:
    """The module's directory and, for the binary wheel, the libraries it was delivered with."""
    spec = importlib.util.find_spec("psycopg2")
    if spec is None or not spec.submodule_search_locations:
        return ()
    module = Path(os.path.realpath(spec.submodule_search_locations[0]))
    beside = [module.parent / name for name in ("psycopg2_binary.libs", "psycopg2.libs")]
    return tuple(str(p) for p in (module, *beside) if p.is_dir())


def _require_readable_by_others(path: Path, what: str) -> None:
    mode = path.stat().st_mode
    if not mode & 0o004:
        raise SandboxError(
            f"{path} cannot be used inside the sandbox",
            f"{what} is not readable by other users (mode {mode & 0o777:o}), and the hosts run under uids of their own",
            f"chmod -R o+rX {path.parent}",
        )
