-- tables_already_expanded.sql: which of these tables lie on all segments already?
-- Run in:   the tables' database. Parameters: oids (array of bigint), segments (int, primaries of the cluster)
-- Returns:  oid bigint
-- Why:      a move that committed without its bookkeeping (gpexpand killed, cancelled during ANALYZE) would be tried again
--           and fail for ever: "table has already been expanded"
-- Blind to: leaf partitions, whose number of segments is that of the cluster before they move; moving one again is harmless
SELECT p.localoid::bigint AS oid
FROM pg_catalog.gp_distribution_policy p
WHERE p.localoid::bigint = ANY (%(oids)s)
  AND p.numsegments = %(segments)s
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition_rule pr WHERE pr.parchildrelid = p.localoid)
