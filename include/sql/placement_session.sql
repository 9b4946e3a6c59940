-- placement_session.sql: what is the same for every table whose rows are looked for on their segments
-- Run in:   each session that does so, first. Parameters: none
-- Why:      gp_autostats_mode would ANALYZE the temporary table after each filling; the legacy hash functions must be
--           used where an operator class says so and nowhere else
SET search_path = pg_catalog;
SET statement_timeout = 0;
SET optimizer = off;
SET gp_autostats_mode = none;
SET gp_use_legacy_hashops = off
