-- tables_already_expanded.sql: which of these tables lie on all segments already?
-- Run in:   the tables' database. Parameters: oids (array of bigint), segments (int, primaries of the cluster)
-- Returns:  oid bigint
-- Why:      a move that committed without its bookkeeping (gpexpand killed, cancelled during ANALYZE) would be tried again
--           and fail for ever: "table has already been expanded"
-- Note:     preparation gives leaf partitions the new number of segments and makes them random, before any row moves; a leaf
--           that has a distribution key has moved
-- Blind to: leaf partitions of randomly distributed roots, which look the same before and after; moving one again is harmless
SELECT p.localoid::bigint AS oid
FROM (SELECT DISTINCT unnest(%(oids)s::bigint[]) AS oid) wanted
JOIN pg_catalog.gp_distribution_policy p ON p.localoid = wanted.oid::oid
WHERE p.numsegments = %(segments)s
  AND (p.distkey::text <> ''
       OR NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition_rule pr WHERE pr.parchildrelid = p.localoid))
