-- snapshot_distribution.sql: how is each table distributed, and over how many segments?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  oid bigint, fq_name text (quoted), policy text, segments int, distributed_by text
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: temporary tables
-- Cost:     reads catalogs only
SELECT c.oid::bigint AS oid,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       p.policytype::text AS policy,
       p.numsegments AS segments,
       pg_catalog.pg_get_table_distributedby(c.oid) AS distributed_by
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
ORDER BY c.oid
