-- families.sql: which of these tables move together with another of them, which they inherit from?
-- Run in:   the tables' database. Parameters: oids (array of bigint)
-- Returns:  head bigint (a table that inherits from none of the others), child bigint; one row a pair
-- Flavors:  those that move children with parents (Greenplum 7, Cloudberry)
-- Blind to: partitions, whose parents gpexpand does not list
-- Cost:     reads catalogs only
WITH RECURSIVE wanted AS (
    SELECT unnest(%(oids)s::bigint[])::oid AS oid
), ancestors AS (
    SELECT i.inhrelid AS child, i.inhparent AS ancestor
    FROM pg_catalog.pg_inherits i
    JOIN wanted w ON w.oid = i.inhrelid
    UNION
    SELECT a.child, i.inhparent
    FROM ancestors a
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.ancestor
), pairs AS (
    SELECT a.child, a.ancestor FROM ancestors a JOIN wanted w ON w.oid = a.ancestor
)
SELECT ancestor::bigint AS head, child::bigint AS child
FROM pairs
WHERE ancestor NOT IN (SELECT child FROM pairs)
ORDER BY 1, 2
