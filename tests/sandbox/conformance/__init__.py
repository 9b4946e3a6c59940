"""Replays recorded commands of a real Greenplum 6.24.3 against the practice cluster and compares what decisions hang on."""
