-- locales_in_use.sql: which locales must a host have to carry segments of this cluster?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  locale text, without repetition: LC_COLLATE and LC_CTYPE of every database, and the settings lc_*
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Blind to: collations of single columns
-- Cost:     reads catalogs only
SELECT datcollate::text AS locale FROM pg_catalog.pg_database
UNION
SELECT datctype::text FROM pg_catalog.pg_database
UNION
SELECT setting FROM pg_catalog.pg_settings WHERE name IN ('lc_messages', 'lc_monetary', 'lc_numeric', 'lc_time')
ORDER BY locale
