-- segment_configuration.sql: which instances make up the cluster?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  the ten columns of Greenplum 6 and 7; one row an instance, coordinator and standby included
-- Flavors:  Greenplum 6 and 7, Cloudberry (whose further columns are left out)
SELECT dbid::int, content::int, role::text, preferred_role::text, mode::text, status::text, port, hostname, address, datadir
FROM pg_catalog.gp_segment_configuration
ORDER BY dbid
