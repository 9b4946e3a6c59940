-- request_fts_probe.sql: look at every segment now, instead of when the next regular probe is due
-- Run in:   any database, as superuser. Parameters: none
-- Returns:  done boolean; when it returns, gp_segment_configuration tells what was found
-- Why:      the fault tolerance server looks once a minute; a segment that has just died still counts as up until then
-- Flavors:  Greenplum 6 and 7, Cloudberry
SELECT gp_request_fts_probe_scan() AS done
