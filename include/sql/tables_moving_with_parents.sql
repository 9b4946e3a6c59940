-- tables_moving_with_parents.sql: which of these tables inherit, directly or not, from another of them?
-- Run in:   the tables' database. Parameters: oids (array of bigint)
-- Returns:  oid bigint
-- Why:      gpexpand 7 says ALTER TABLE … EXPAND TABLE without ONLY, so a table moves together with those that inherit
--           from it; their own turn would then fail: "table has already been expanded"
-- Blind to: partitions, whose parents gpexpand does not list
-- Flavors:  all; needed for Greenplum 7 and Cloudberry
-- Cost:     reads catalogs only
WITH RECURSIVE ancestors AS (
    SELECT inhrelid AS table_oid, inhparent AS ancestor
    FROM pg_catalog.pg_inherits
    WHERE inhrelid::bigint = ANY (%(oids)s)
    UNION
    SELECT a.table_oid, i.inhparent
    FROM ancestors a
    JOIN pg_catalog.pg_inherits i ON i.inhrelid = a.ancestor
)
SELECT DISTINCT table_oid::bigint AS oid
FROM ancestors
WHERE ancestor::bigint = ANY (%(oids)s)
ORDER BY 1
