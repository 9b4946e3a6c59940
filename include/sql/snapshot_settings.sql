-- snapshot_settings.sql: which settings are in force on the coordinator, and where do they come from?
-- Run in:   any database, as superuser (others do not see files). Parameters: none
-- Returns:  name, setting (secrets taken out), unit, context, source, source_file text; source_line int
-- Flavors:  all
-- Blind to: what differs on segments (the configuration files of each are kept beside it)
-- Cost:     none to speak of
SELECT name,
       CASE WHEN name IN ('primary_conninfo', 'ssl_passphrase_command') AND setting <> '' THEN '(removed)'
            ELSE regexp_replace(setting, '((password|passwd|secrets?)\s*=).*', '\1 (removed)', 'i') END AS setting,
       unit, context, source, sourcefile AS source_file, sourceline AS source_line
FROM pg_catalog.pg_settings
ORDER BY name
