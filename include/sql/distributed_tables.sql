-- distributed_tables.sql: which relations hold rows on the segments?
-- Run in:   every database that allows connections, as superuser. Parameters: none
-- Returns:  oid bigint, schema_name text, table_name text, fq_name text (quoted), policy 'p' or 'r', segments int,
--           distribution text (DISTRIBUTED BY …), has_rows boolean (false: roots and interior partitions, whose rows lie in their leaves, external tables,
--           and materialized views WITH NO DATA, which refuse to be read)
-- Flavors:  Greenplum 6 (relstorage, pg_partition)
-- Blind to: temporary tables (gone before the end), gpexpand's own schema, the bitmap indexes' helper tables
-- Cost:     reads catalogs only
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema_name,
       c.relname::text AS table_name,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       p.policytype::text AS policy,
       p.numsegments AS segments,
       pg_catalog.pg_get_table_distributedby(c.oid) AS distribution,
       c.relstorage <> 'x'
         AND c.relispopulated
         AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition pp WHERE pp.parrelid = c.oid)
         AND NOT (c.relhassubclass AND EXISTS (SELECT 1 FROM pg_catalog.pg_partition_rule pr WHERE pr.parchildrelid = c.oid))
         AS has_rows
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't'
  AND n.nspname NOT IN ('gpexpand', 'expansion_history', 'pg_bitmapindex')
ORDER BY c.oid
