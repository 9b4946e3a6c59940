"""Carries the SQL statements and the DAGs into the distribution; used by the build only (see pyproject.toml).

They stand at the top of the repository, where a copied Airflow home needs them, and a wheel can hold only what lies in
its package. Built from the repository they are taken from there; built from a source distribution they are in the
package already.
"""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = {"include/sql": "greenplum_expansion/_sql", "dags": "greenplum_expansion/_dags"}


class CarryFiles(BuildHookInterface[Any]):
    """Adds each folder of CARRIED to the archive under its name in the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # the files are found where they stand
            return
        for source, target in CARRIED.items():
            folder = Path(self.root).parent / source
            if folder.is_dir():
                for path in sorted(folder.rglob("*")):
                    if path.is_file() and path.suffix in {".sql", ".py", ".md"}:
                        build_data["force_include"][str(path)] = f"{target}/{path.relative_to(folder)}"
            elif not (Path(self.root) / target).is_dir():
                raise FileNotFoundError(f"{folder} is missing: build from a checkout or from a source distribution")
