-- tables_to_move.gp7.sql: which tables will an expansion move, before gpexpand has listed them?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  as tables_to_move.sql
-- Flavors:  Greenplum 7, Cloudberry
-- Blind to: roots and interior partitions, external tables: they have no rows; temporary tables, gpexpand's own schema
-- Cost:     reads catalogs only
SELECT c.oid::bigint AS oid,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       coalesce(r.oid, 0)::bigint AS root_oid,
       quote_ident(rn.nspname) || '.' || quote_ident(r.relname) AS root_name,
       CASE
           WHEN coalesce(a.amname, 'heap') NOT IN ('ao_row', 'ao_column') THEN 'heap'
           WHEN array_to_string(c.reloptions, ',') ~* 'compress(type=(zlib|zstd|quicklz|rle_type)|level=[1-9])'
               THEN 'compressed'
           ELSE 'append-optimized'
       END AS storage
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam
LEFT JOIN pg_catalog.pg_class r ON c.relispartition AND r.oid = pg_catalog.pg_partition_root(c.oid)
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relpersistence <> 't'
  AND c.relkind IN ('r', 'm')
  AND n.nspname NOT IN ('gpexpand', 'expansion_history', 'pg_bitmapindex')
ORDER BY c.oid
