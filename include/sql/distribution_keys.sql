-- distribution_keys.sql: by which columns are these tables distributed, a leaf partition as its root?
-- Run in:   the tables' database. Parameters: oids, roots (arrays of bigint, of equal length; root 0: no leaf partition)
-- Returns:  oid bigint, policy text ('p' or 'r'), key text: names and types of the key's columns in its order, empty if
--           distributed randomly or replicated
-- Flavors:  Greenplum 6 and 7, Cloudberry
-- Cost:     reads catalogs only
SELECT wanted.oid,
       p.policytype::text AS policy,
       coalesce((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, NULL), ', ' ORDER BY k.place)
                 FROM (SELECT generate_series(0, array_upper(p.distkey::int2[], 1)) AS place) k
                 JOIN pg_catalog.pg_attribute a
                   ON a.attrelid = p.localoid AND a.attnum = (p.distkey::int2[])[k.place]), '') AS key
FROM (SELECT unnest(%(oids)s::bigint[]) AS oid, unnest(%(roots)s::bigint[]) AS root) wanted
JOIN pg_catalog.gp_distribution_policy p
  ON p.localoid = (CASE WHEN wanted.root = 0 THEN wanted.oid ELSE wanted.root END)::oid
