-- survey_partitions.sql: which tables have most partitions?
-- Run in:   every database that allows connections, as any role. Parameters: most (int, tables told)
-- Returns:  schema_name text, table_name text, leaves bigint, levels int, tables bigint (all partitioned ones)
-- Flavors:  Greenplum 6 (pg_partition)
-- Cost:     reads catalogs only
SELECT n.nspname::text AS schema_name, c.relname::text AS table_name, r.leaves, r.levels, count(*) OVER () AS tables
FROM (SELECT pp.parrelid,
             sum(CASE WHEN leaf.relhassubclass THEN 0 ELSE 1 END)::bigint AS leaves,
             (max(pp.parlevel) + 1)::int AS levels
      FROM pg_catalog.pg_partition pp
      JOIN pg_catalog.pg_partition_rule pr ON pr.paroid = pp.oid
      JOIN pg_catalog.pg_class leaf ON leaf.oid = pr.parchildrelid
      WHERE NOT pp.paristemplate
      GROUP BY pp.parrelid) r
JOIN pg_catalog.pg_class c ON c.oid = r.parrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY r.leaves DESC, 1, 2
LIMIT %(most)s
