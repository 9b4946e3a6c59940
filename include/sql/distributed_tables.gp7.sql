-- distributed_tables.gp7.sql: which relations hold rows on the segments?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  as distributed_tables.sql; has_rows is false for partitioned tables (their rows lie in their leaves),
--           writable external tables, and materialized views WITH NO DATA
-- Flavors:  Greenplum 7, Cloudberry
-- Blind to: temporary tables, gpexpand's own schema, the bitmap indexes' helper tables
-- Cost:     reads catalogs only
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema_name,
       c.relname::text AS table_name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       p.policytype::text AS policy,
       p.numsegments AS segments,
       pg_catalog.pg_get_table_distributedby(c.oid) AS distribution,
       c.relkind IN ('r', 'm') AND c.relispopulated AS has_rows
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
  AND n.nspname NOT IN ('gpexpand', 'expansion_history', 'pg_bitmapindex')
ORDER BY c.oid
