"""gpexpand: interview, preparation, rollback, redistribution, cleanup, as in Greenplum 6.24.3.

What runs is decided by what is found, not by the options: the status file on the coordinator, then the newest row of
gpexpand.status (docs of the phases: ``sandbox/README.md``; the evidence: ``tests/recordings``).
"""
