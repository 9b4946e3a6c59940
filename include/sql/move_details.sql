-- move_details.sql: how are these tables stored, what are they called now, and how are their roots distributed?
-- Run in:   the tables' database. Parameters: oids, roots (arrays of bigint, of equal length; root 0: no leaf partition)
-- Returns:  oid bigint, schema_name text, table_name text, storage 'heap', 'append-optimized' or 'compressed', index_bytes bigint
--           (as of the last ANALYZE or VACUUM), distributed_by text (empty: no leaf partition),
--           is_external boolean (it holds no rows), root_name text (null: no leaf partition)
-- Flavors:  Greenplum 6
-- Cost:     reads catalogs only
SELECT c.oid::bigint AS oid,
       n.nspname::text AS schema_name,
       c.relname::text AS table_name,
       CASE
           WHEN c.relstorage NOT IN ('a', 'c') THEN 'heap'
           WHEN array_to_string(c.reloptions, ',') ~* 'compress(type=(zlib|zstd|quicklz|rle_type)|level=[1-9])'
               THEN 'compressed'
           ELSE 'append-optimized'
       END AS storage,
       coalesce((SELECT sum(i.relpages::bigint) FROM pg_catalog.pg_index x
                 JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
                 WHERE x.indrelid = c.oid), 0) * current_setting('block_size')::bigint AS index_bytes,
       c.relstorage = 'x' AS is_external,
       CASE WHEN wanted.root = 0 THEN '' ELSE pg_catalog.pg_get_table_distributedby(wanted.root::oid) END AS distributed_by,
       (SELECT quote_ident(rn.nspname) || '.' || quote_ident(r.relname)
        FROM pg_catalog.pg_class r JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
        WHERE r.oid = wanted.root::oid) AS root_name
FROM (SELECT unnest(%(oids)s::bigint[]) AS oid, unnest(%(roots)s::bigint[]) AS root) wanted
JOIN pg_catalog.pg_class c ON c.oid = wanted.oid::oid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
