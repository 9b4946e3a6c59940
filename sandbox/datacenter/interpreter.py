"""Which Python the hosts get, and how it comes to lie there.

The hosts run the interpreter `up` was called with. Debian's own lies under /usr, which every host has. Another one
(pyenv, uv, a CI's tool cache) is shown read-only at its own path, since a shared libpython is found by that path; its
parents, closed as they may be on the machine, are the host's own directories. On top of it lies a virtual environment,
/opt/sandbox, with nothing but this package and psycopg2.
"""

from __future__ import annotations

import compileall
import importlib.util
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from sandbox.datacenter.errors import SandboxError

VENV = Path("/opt/sandbox")
_PTH = f"import _sandbox_bytecode; _sandbox_bytecode.install()\n{VENV}\n"


@dataclass(frozen=True)
class Interpreter:
    """`prefix`: installation to show at its own path, None under /usr; `libraries`: modules the package needs."""

    executable: str
    prefix: str | None
    version: str
    libraries: tuple[str, ...]


def find_interpreter(*, database: bool) -> Interpreter:
    """The interpreter of this process, without its virtual environment.

    :raises SandboxError: other users may not read it, or psycopg2 is needed and missing
    """
    executable = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    base = Path(sys.base_prefix).resolve()
    in_usr = base.is_relative_to("/usr") and not base.is_relative_to("/usr/local")  # /usr/local is a host's own
    _require_readable_by_others(executable, "the Python interpreter")
    libraries = _psycopg2()
    if database and not libraries:
        raise SandboxError(
            "psycopg2 is missing",
            f"{sys.executable} cannot import it, and the sandbox's database is managed with it",
            f"{sys.executable} -m pip install psycopg2-binary (or apt-get install python3-psycopg2)",
        )
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    return Interpreter(str(executable), None if in_usr else str(base), version, libraries)


def build_venv(root: Path, interpreter: Interpreter) -> list[tuple[Path, Path]]:
    """Write the virtual environment under `root` (all but the mounted parts).

    :return: (source on the machine, target under root) of what is to be bound read-only
    """
    package = Path(__file__).resolve().parents[1]
    _require_readable_by_others(package / "layout.py", "the sandbox's own code")
    venv = root / VENV.relative_to("/")
    site = venv / f"lib/python{interpreter.version}/site-packages"
    site.mkdir(parents=True)
    (site / "sandbox.pth").write_text(_PTH)
    shutil.copyfile(package / "datacenter/bytecode.py", site / "_sandbox_bytecode.py")
    compileall.compile_dir(site, quiet=1)
    (venv / "bin").mkdir()
    for name in ("python", "python3", f"python{interpreter.version}"):
        (venv / "bin" / name).symlink_to(interpreter.executable)
    home = Path(interpreter.executable).parent
    (venv / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {interpreter.version}\n"
    )
    libraries = [Path(library) for library in interpreter.libraries]
    binds = [(package, venv / "sandbox"), *((library, site / library.name) for library in libraries)]
    for _, target in binds:
        target.mkdir()
    return binds


def _psycopg2() -> tuple[str, ...]:
    """The module's directory and, for the binary wheel, the libraries it was delivered with."""
    spec = importlib.util.find_spec("psycopg2")
    if spec is None or not spec.submodule_search_locations:
        return ()
    module = Path(spec.submodule_search_locations[0]).resolve()
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
