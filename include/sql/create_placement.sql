-- create_placement.sql: a temporary table whose rows go where the hash of a key puts them
-- Run in:   the table's database. Placeholders: {placement}, {table} (quoted identifiers), {keys} (the key's columns,
--           as k0, k1 …), {distribution} (k0 class, k1 class …)
-- Returns:  nothing; the table serves all tables whose key has the same types, collations and operator classes
-- Cost:     a few rows in the catalogs until the session ends
CREATE TEMP TABLE {placement} ON COMMIT DELETE ROWS AS
SELECT {keys}, t.gp_segment_id AS found FROM {table} t
WITH NO DATA
DISTRIBUTED BY ({distribution})
