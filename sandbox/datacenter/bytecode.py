"""Where the hosts keep the compiled form of this package: it is read-only for them, its ``__pycache__`` included.

Without it every utility would compile all it imports again. `sys.pycache_prefix` alone would not do: it moves the
standard library's cache, too, which then would be compiled once more in each host. A ``.pth`` file has every
interpreter of the hosts import this module first, so it takes what is loaded anyway and nothing else.
"""

import os
import sys
from importlib.machinery import FileFinder, SourceFileLoader
from types import CodeType

_ROOT = "/opt/sandbox"
_CACHE = f"/var/cache/sandbox/{os.getuid()}"


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        usual = sys.pycache_prefix
        sys.pycache_prefix = _CACHE
        try:
            return super().get_code(fullname)
        finally:
            sys.pycache_prefix = usual


def _finder(path: str) -> FileFinder:
    if path != _ROOT and not path.startswith(f"{_ROOT}/sandbox"):
        raise ImportError(path)
    return FileFinder(path, (_Loader, [".py"]))


def install() -> None:
    """Use the cache for modules below /opt/sandbox/sandbox from now on."""
    sys.path_hooks.insert(0, _finder)
