"""Replays commands recorded on a real Greenplum 6.24.3 and compares what decisions hang on."""
