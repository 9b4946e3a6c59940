-- snapshot_databases.sql: which databases are there, whose, with which encoding and locale?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  oid bigint, name, owner, encoding, lc_collate, lc_ctype, tablespace text; allows_connections boolean
-- Flavors:  all
-- Cost:     reads catalogs only
SELECT d.oid::bigint AS oid,
       d.datname::text AS name,
       pg_catalog.pg_get_userbyid(d.datdba)::text AS owner,
       pg_catalog.pg_encoding_to_char(d.encoding)::text AS encoding,
       d.datcollate::text AS lc_collate,
       d.datctype::text AS lc_ctype,
       t.spcname::text AS tablespace,
       d.datallowconn AS allows_connections
FROM pg_catalog.pg_database d
LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = d.dattablespace
ORDER BY d.datname
