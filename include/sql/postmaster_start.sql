-- postmaster_start.sql: since when does the coordinator's server run?
-- Run in:   any database, as any role. Parameters: none
-- Returns:  one row: started float8 (seconds since 1970 by the coordinator's clock)
-- Flavors:  all
-- Cost:     none
SELECT extract(epoch FROM pg_catalog.pg_postmaster_start_time())::float8 AS started
