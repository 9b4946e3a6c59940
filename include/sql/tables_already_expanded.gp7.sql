-- tables_already_expanded.gp7.sql: which of these tables lie on all segments already?
-- Run in:   the tables' database. Parameters: oids (array of bigint), segments (int, primaries of the cluster)
-- Returns:  oid bigint
-- Why:      a move that committed without its bookkeeping would be tried again and fail for ever; and a table that
--           inherits from another has moved with it
-- Blind to: leaf partitions, whose number of segments is that of the cluster before they move; moving one again is harmless
-- Flavors:  Greenplum 7, Cloudberry
SELECT p.localoid::bigint AS oid
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
WHERE p.localoid::bigint = ANY (%(oids)s)
  AND p.numsegments = %(segments)s
  AND NOT c.relispartition
