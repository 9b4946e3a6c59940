-- hash_keys.sql: by which columns, of which types, and with which hash functions are tables distributed?
-- Run in:   every database that allows connections, as any role. Parameters: none
-- Returns:  oid bigint, columns text[], types text[], operator_classes text[] (qualified and quoted; '' where
--           the catalog names none), collations bigint[]; in the order of the key; no row for a table that is
--           replicated or distributed randomly
-- Flavors:  Greenplum 6 and 7, Cloudberry. A table that comes from Greenplum 5 has the legacy classes (cdbhash_…_ops)
-- Blind to: temporary tables
-- Cost:     reads catalogs only
SELECT p.localoid::bigint AS oid,
       array_agg(a.attname::text ORDER BY k.place) AS columns,
       array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.place) AS types,
       array_agg(coalesce(quote_ident(n.nspname) || '.' || quote_ident(o.opcname), '') ORDER BY k.place)
         AS operator_classes,
       array_agg(a.attcollation::bigint ORDER BY k.place) AS collations
FROM (SELECT q.localoid, q.distkey::int2[] AS numbers, q.distclass::oid[] AS classes,
             generate_series(0, array_upper(q.distkey::int2[], 1)) AS place
      FROM pg_catalog.gp_distribution_policy q
      WHERE q.policytype = 'p' AND q.distkey::text <> '') k
JOIN pg_catalog.gp_distribution_policy p ON p.localoid = k.localoid
JOIN pg_catalog.pg_class c ON c.oid = p.localoid AND c.relpersistence <> 't'
JOIN pg_catalog.pg_attribute a ON a.attrelid = k.localoid AND a.attnum = k.numbers[k.place]
LEFT JOIN pg_catalog.pg_opclass o ON o.oid = k.classes[k.place]
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace
GROUP BY p.localoid
ORDER BY p.localoid
