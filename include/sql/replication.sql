-- replication.sql: who follows the log of the coordinator and of the primaries?
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  all columns, since the locations are called …_location in Greenplum 6 and …_lsn in 7; one row a follower,
--           and one without a process for each primary whose mirror does not follow
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Cost:     asks every primary
SELECT * FROM pg_catalog.gp_stat_replication ORDER BY gp_segment_id
