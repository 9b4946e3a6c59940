-- tables_to_move.sql: which tables will an expansion move, before gpexpand has listed them?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  oid bigint, fq_name text (quoted), root_oid bigint (0: no leaf partition), root_name text (quoted; null: no leaf
--           partition), storage 'heap', 'append-optimized' or 'compressed'
-- Flavors:  Greenplum 6 (relstorage, pg_partition)
-- Blind to: roots and interior partitions, external tables: they have no rows; temporary tables, gpexpand's own schema
-- Cost:     reads catalogs only
SELECT c.oid::bigint AS oid,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       coalesce(leaf.root, 0)::bigint AS root_oid,
       quote_ident(rn.nspname) || '.' || quote_ident(r.relname) AS root_name,
       CASE
           WHEN c.relstorage NOT IN ('a', 'c') THEN 'heap'
           WHEN array_to_string(c.reloptions, ',') ~* 'compress(type=(zlib|zstd|quicklz|rle_type)|level=[1-9])'
               THEN 'compressed'
           ELSE 'append-optimized'
       END AS storage
FROM pg_catalog.gp_distribution_policy p
JOIN pg_catalog.pg_class c ON c.oid = p.localoid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN (
    SELECT DISTINCT pr.parchildrelid, pp.parrelid AS root
    FROM pg_catalog.pg_partition_rule pr
    JOIN pg_catalog.pg_partition pp ON pp.oid = pr.paroid
) leaf ON leaf.parchildrelid = c.oid
LEFT JOIN pg_catalog.pg_class r ON r.oid = leaf.root
LEFT JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
WHERE c.relpersistence <> 't'
  AND c.relkind IN ('r', 'm')
  AND c.relstorage <> 'x'
  AND n.nspname NOT IN ('gpexpand', 'expansion_history', 'pg_bitmapindex')
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_partition pp WHERE pp.parrelid = c.oid)
  AND NOT (leaf.root IS NOT NULL AND c.relhassubclass)
ORDER BY c.oid
