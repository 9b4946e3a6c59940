"""The pages inside the Airflow UI: clusters, wizard, expansion.

They read what tasks, sensors and triggers have left in Airflow, and never talk to a cluster: the API server, in which
they run, may not reach one (docs/decisions/19).
"""
