-- checkpoint.sql: write everything to disk, on the coordinator and on all primaries, so that a stop is short
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  nothing
-- Flavors:  all
-- Cost:     writes what is dirty in memory; seconds, on a busy cluster a minute
CHECKPOINT
