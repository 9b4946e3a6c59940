-- invalid_indexes.sql: which indexes did a failed build leave invalid?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  fq_name text, fq_table text (both quoted)
-- Flavors:  all
-- Blind to: indexes that are invalid on a segment only
-- Cost:     reads catalogs only
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
       quote_ident(tn.nspname) || '.' || quote_ident(t.relname) AS fq_table
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
WHERE NOT i.indisvalid AND c.relkind IN ('i', 'I') AND t.relpersistence <> 't'
ORDER BY 1
