"""The one plugin of this package: it declares, it does nothing.

Connections, operators, sensors and triggers need no plugin in Airflow 3; a timetable does, or the scheduler would not
read it. What the UI shows of an expansion beyond Airflow's own pages is declared here.
"""

from typing import ClassVar

from airflow.plugins_manager import AirflowPlugin

from greenplum_expansion.timetable import WindowTimetable


class GreenplumExpansionPlugin(AirflowPlugin):
    """Names the package in Airflow's list of plugins (Admin > Plugins)."""

    name = "greenplum_expansion"
    timetables: ClassVar = [WindowTimetable]
