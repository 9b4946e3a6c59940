-- survey_partitions.gp7.sql: which tables have most partitions?
-- Run in:   every database that allows connections, as any role. Parameters: most (int, tables told)
-- Returns:  as survey_partitions.sql
-- Flavors:  Greenplum 7, Cloudberry
-- Cost:     reads catalogs only
SELECT n.nspname::text AS schema_name, r.relname::text AS table_name, r.leaves, r.levels, count(*) OVER () AS tables
FROM (SELECT c.oid, c.relname, c.relnamespace,
             sum(CASE WHEN t.isleaf THEN 1 ELSE 0 END)::bigint AS leaves,
             max(t.level)::int AS levels
      FROM pg_catalog.pg_class c, pg_catalog.pg_partition_tree(c.oid) t
      WHERE c.relkind = 'p' AND NOT c.relispartition AND t.level > 0
      GROUP BY c.oid, c.relname, c.relnamespace) r
JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
ORDER BY r.leaves DESC, 1, 2
LIMIT %(most)s
