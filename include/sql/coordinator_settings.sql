-- coordinator_settings.sql: where does the coordinator keep its data, and at which port and host is it in the catalog?
-- Run in:   any database, as superuser (data_directory is hidden from others). Parameters: none
-- Returns:  one row: data_directory text, hostname text, address text, port int, dbid int, backend_pid int (of this session)
-- Flavors:  Greenplum 5, 6 and 7, Cloudberry
-- Blind to: the host a relay or tunnel leads to; the catalog names the host as the cluster knows it
-- Cost:     reads catalogs only
SELECT current_setting('data_directory') AS data_directory,
       hostname::text AS hostname,
       address::text AS address,
       port,
       dbid,
       pg_backend_pid() AS backend_pid
FROM gp_segment_configuration
WHERE content = -1 AND role = 'p'
