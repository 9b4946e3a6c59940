"""A practice Greenplum cluster: real PostgreSQL servers on real SSH hosts, stand-ins for the gp utilities.

Nothing under ``plugins/`` or ``dags/`` knows that it exists. ``sandbox/README.md`` says how to use it,
``python -m sandbox --help`` what it can do. This package needs nothing but the standard library (``psycopg2`` inside
the hosts), so it runs from any environment.
"""
