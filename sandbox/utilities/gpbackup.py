"""gpbackup and gprestore: told to be missing rather than imitated.

A stand-in that wrote something else than a backup would be worse than none.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(arguments: list[str] | None = None) -> int:
    """Refuse, exit code 2."""
    del arguments
    tool = Path(sys.argv[0]).name
    sys.stderr.write(
        f"{tool} is not part of the sandbox. Cause: its tables lie on imitated segments, a backup of which no Greenplum"
        " could read. Next: use pg_dump, or a real Greenplum to try gpbackup.\n"
    )
    return 2
