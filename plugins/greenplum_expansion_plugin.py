"""The one plugin of this package: it declares, it does nothing.

Connections, operators, sensors and triggers need no plugin in Airflow 3. What the UI shows of an expansion beyond
Airflow's own pages is declared here.
"""

from airflow.plugins_manager import AirflowPlugin


class GreenplumExpansionPlugin(AirflowPlugin):
    """Names the package in Airflow's list of plugins (Admin > Plugins)."""

    name = "greenplum_expansion"
