-- tables_already_expanded.gp7.sql: which of these tables lie on all segments already?
-- Run in:   the tables' database. Parameters: oids (array of bigint), segments (int, primaries of the cluster)
-- Returns:  oid bigint
-- Why:      a move that committed without its bookkeeping would be tried again and fail for ever; and a table that
--           inherits from another has moved with it
-- Note:     preparation gives leaf partitions the new number of segments and makes them random, before any row moves; a leaf
--           that has a distribution key has moved
-- Blind to: leaf partitions of randomly distributed roots, which look the same before and after; moving one again is harmless
-- Flavors:  Greenplum 7, Cloudberry
SELECT p.localoid::bigint AS oid
FROM (SELECT DISTINCT unnest(%(oids)s::bigint[]) AS oid) wanted
JOIN pg_catalog.gp_distribution_policy p ON p.localoid = wanted.oid::oid
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
WHERE p.numsegments = %(segments)s
  AND (p.distkey::text <> '' OR NOT c.relispartition)
