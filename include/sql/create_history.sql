-- create_history.sql: makes the schema in which expansions are kept after gpexpand's own is gone
-- Run in:   database postgres, as superuser. Parameters: none. Repeating it changes nothing
-- Columns:  those of MatrixDB's expand_status_summary and expand_status_detail, and which expansion each row is of
CREATE SCHEMA IF NOT EXISTS expansion_history;

CREATE TABLE IF NOT EXISTS expansion_history.expand_status_summary (
    expansion_id text NOT NULL,
    status text NOT NULL,
    updated_at timestamp with time zone NOT NULL DEFAULT clock_timestamp()
) DISTRIBUTED BY (expansion_id);

CREATE TABLE IF NOT EXISTS expansion_history.expand_status_detail (
    expansion_id text NOT NULL,
    dbname text NOT NULL,
    db_oid oid,
    fq_name text NOT NULL,
    table_oid oid NOT NULL,
    root_partition_name text,
    rank int,
    external_writable boolean,
    storage text,
    status text NOT NULL,
    expansion_started_at timestamp with time zone,
    expansion_finished_at timestamp with time zone,
    source_bytes numeric,
    index_bytes numeric,
    failed_times int NOT NULL DEFAULT 0,
    last_error text
) DISTRIBUTED BY (table_oid);

CREATE TABLE IF NOT EXISTS expansion_history.expand_control (
    expansion_id text NOT NULL,
    changed_at timestamp with time zone NOT NULL DEFAULT clock_timestamp(),
    changed_by text NOT NULL,
    action text NOT NULL,
    paused boolean NOT NULL,
    sessions int
) DISTRIBUTED BY (expansion_id);

CREATE OR REPLACE VIEW expansion_history.expand_expansion_progress AS
WITH detail AS (
    SELECT expansion_id,
           count(*) FILTER (WHERE status = 'COMPLETED') AS done,
           count(*) FILTER (WHERE status IN ('NOT STARTED', 'PENDING', 'RETRYING')) AS pending,
           count(*) FILTER (WHERE status = 'IN PROGRESS') AS moving,
           count(*) FILTER (WHERE status = 'FAILED') AS failed,
           coalesce(sum(source_bytes) FILTER (WHERE status = 'COMPLETED'), 0) AS bytes_done,
           coalesce(sum(source_bytes) FILTER (WHERE status IN ('NOT STARTED', 'PENDING', 'RETRYING')), 0) AS bytes_pending,
           coalesce(sum(source_bytes) FILTER (WHERE status = 'IN PROGRESS'), 0) AS bytes_moving,
           coalesce(sum(source_bytes) FILTER (WHERE status = 'FAILED'), 0) AS bytes_failed,
           -- Of tables that were dropped, or had moved before we looked, no move was timed.
           coalesce(sum(source_bytes) FILTER (WHERE status = 'COMPLETED' AND expansion_finished_at > expansion_started_at), 0)
               AS bytes_timed,
           -- Work of one session after another: what a rate means that is to hold in windows, too.
           coalesce(sum(extract(epoch FROM expansion_finished_at - expansion_started_at)) FILTER (WHERE status = 'COMPLETED'), 0)
               AS seconds
    FROM expansion_history.expand_status_detail
    GROUP BY expansion_id
), rated AS (
    SELECT *,
           CASE WHEN seconds > 0 THEN bytes_timed / seconds::numeric END AS rate,
           -- As many sessions as are at work; one, while none is.
           greatest(moving, 1) AS sessions
    FROM detail
)
SELECT expansion_id, name, value
FROM (
    SELECT expansion_id, 1 AS place, 'Done Tables Number' AS name, done::text AS value FROM rated
    UNION ALL SELECT expansion_id, 2, 'Pending Tables Number', pending::text FROM rated
    UNION ALL SELECT expansion_id, 3, 'In Progress Tables Number', moving::text FROM rated
    UNION ALL SELECT expansion_id, 4, 'Failed Tables Number', failed::text FROM rated
    UNION ALL SELECT expansion_id, 5, 'Bytes Done', bytes_done::text FROM rated
    UNION ALL SELECT expansion_id, 6, 'Bytes Pending', bytes_pending::text FROM rated
    UNION ALL SELECT expansion_id, 7, 'Bytes in Progress', bytes_moving::text FROM rated
    UNION ALL SELECT expansion_id, 8, 'Bytes Failed', bytes_failed::text FROM rated
    UNION ALL SELECT expansion_id, 9, 'Estimated Expansion Rate', round(rate / 1048576, 1) || ' MB/s a session' FROM rated
    UNION ALL SELECT expansion_id, 10, 'Estimated Remaining Time',
                     (((bytes_pending + bytes_moving) / nullif(rate * sessions, 0))::text || ' s')::interval::text FROM rated
) progress
ORDER BY expansion_id, place;

CREATE OR REPLACE VIEW expansion_history.expand_rates AS
SELECT expansion_id,
       storage,
       count(*) AS tables,
       sum(source_bytes) AS bytes,
       sum(index_bytes) AS index_bytes,
       sum(extract(epoch FROM expansion_finished_at - expansion_started_at)) AS seconds,
       sum(source_bytes) / nullif(sum(extract(epoch FROM expansion_finished_at - expansion_started_at)), 0)::numeric
           AS bytes_per_second
FROM expansion_history.expand_status_detail
WHERE status = 'COMPLETED' AND expansion_finished_at > expansion_started_at
GROUP BY expansion_id, storage
