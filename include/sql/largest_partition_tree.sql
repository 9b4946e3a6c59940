-- largest_partition_tree.sql: which table has most tables below it?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text (quoted), tables int (partitions of all levels and the table itself); no row = none has any
-- Why:      preparation locks a table and all its partitions in one transaction
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: the difference between partitions and children by inheritance, which are locked one by one
-- Cost:     reads catalogs only
WITH RECURSIVE tree (root, relid) AS (
    SELECT i.inhparent, i.inhrelid
    FROM pg_catalog.pg_inherits i
    WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits u WHERE u.inhrelid = i.inhparent)
    UNION ALL
    SELECT t.root, i.inhrelid
    FROM tree t
    JOIN pg_catalog.pg_inherits i ON i.inhparent = t.relid
)
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name, count(*)::int + 1 AS tables
FROM tree t
JOIN pg_catalog.pg_class c ON c.oid = t.root
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p')
GROUP BY n.nspname, c.relname
ORDER BY tables DESC, fq_name
LIMIT 1
