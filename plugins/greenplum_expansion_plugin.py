"""The one plugin of this package: it declares, it does nothing.

Connections, operators, sensors and triggers need no plugin in Airflow 3. What the UI shows of an expansion beyond
Airflow's own pages is declared here.
"""

from typing import ClassVar

from airflow.plugins_manager import AirflowPlugin

from greenplum_expansion.pages import declaration
from greenplum_expansion.timetable import WindowTimetable


class GreenplumExpansionPlugin(AirflowPlugin):
    """Pages under "Greenplum", a tab "Expansion" on runs, and a link to it on tasks (docs/guide/pages.md)."""

    name = "greenplum_expansion"
    timetables: ClassVar = [WindowTimetable]
    fastapi_apps = declaration.fastapi_apps()
    external_views = declaration.external_views()
    operator_extra_links = declaration.operator_extra_links()
