"""Stand-ins for the gp utilities: options, prompts, messages, exit codes, state files and traps of Greenplum 6.24.3.

The measure is ``tests/recordings`` (a real cluster, recorded); ``tests/sandbox/conformance`` replays them. The commands
themselves are the small scripts in ``sandbox/gphome/bin``, each of which calls ``main()`` of a module here.
Everything runs on the sandbox's hosts as gpadmin and uses only SSH, SQL on the coordinator's port and
``sandbox.database.instance``. Imports that cost time (psycopg2) happen where they are needed.
"""
