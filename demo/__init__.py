"""A whole expansion on a practice cluster, in a real Airflow, with one command: ``python -m demo run``."""
