-- 20_segments.sql: reaching the segments from one database of the coordinator
-- A segment's server and helper tables come into being when a table is first placed there; the segment's database, too.

create function pg_sandbox.segment_hosts(of_content int, out hosts text, out ports text) language sql stable as $$
    -- Primary and mirror: libpq takes the first that accepts writes, so a failover works before follow_roles() has run.
    select string_agg(address, ',' order by role desc), string_agg(port::text, ',' order by role desc)
    from pg_catalog.gp_segment_configuration where content = of_content
$$;

create function pg_sandbox.segment_dsn(of_content int, database name) returns text language sql stable as $$
    select format('host=%s port=%s dbname=%L user=gpadmin target_session_attrs=read-write connect_timeout=3 '
                  'tcp_user_timeout=5000', hosts, ports, database)
    from pg_sandbox.segment_hosts(of_content)
$$;

create function pg_sandbox.ensure_segment(of_content int) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
declare
    place record;
    server name := 'seg' || of_content;
    dsn text;
begin
    select * into place from segment_hosts(of_content);
    if place.hosts is null then
        raise exception 'no segment with content %', of_content;
    end if;
    if exists (select from pg_foreign_server where srvname = server and srvoptions @> array['host=' || place.hosts,
        'port=' || place.ports]) then
        return;
    end if;
    perform pg_advisory_xact_lock(1, of_content);  -- another session may be doing the same
    dsn := segment_dsn(of_content, 'postgres');
    if not exists (select from dblink(dsn, format('select 1 from pg_database where datname = %L', current_database()))
        as t(x int)) then
        perform dblink_exec(dsn, format('create database %I', current_database()));
    end if;
    if exists (select from pg_foreign_server where srvname = server) then
        execute format('alter server %I options (set host %L, set port %L)', server, place.hosts, place.ports);
        return;
    end if;
    execute format(
        'create server %I foreign data wrapper postgres_fdw options (host %L, port %L, dbname %L, '
        'target_session_attrs ''read-write'', connect_timeout ''3'', tcp_user_timeout ''5000'', keepalives_idle ''5'', '
        'keepalives_interval ''2'', keepalives_count ''3'', fetch_size ''10000'', batch_size ''1000'', '
        'async_capable ''true'', application_name ''coordinator'')',
        server, place.hosts, place.ports, current_database());
    execute format('grant usage on foreign server %I to public', server);
    execute format('create user mapping for public server %I options (user ''gpadmin'', password_required ''false'')',
        server);
    execute
        format('create foreign table pg_aoseg.%I (statement text) server %I '
                   'options (schema_name ''pg_sandbox'', table_name ''run'', '
                   'batch_size ''1'')', 'run_' || of_content, server);
    execute
        format('create foreign table pg_aoseg.%I '
                   '(relname name, main int8, with_toast int8, indexes int8, live int8, dead int8, relfilenode oid) '
                   'server %I options (schema_name ''pg_sandbox'', table_name ''sizes'')', 'sizes_' || of_content,
                       server);
    execute
        format('create foreign table pg_aoseg.%I (datname name, size int8) server %I '
                   'options (schema_name ''pg_sandbox'', '
                   'table_name ''databases'')', 'databases_' || of_content, server);
end $$;

create function pg_sandbox.follow_roles() returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- fts calls this in every database after a failover: who connects should not try a dead host first.
declare
    server record;
begin
    perform set_config('pg_sandbox.busy', 'on', true);  -- no change of a table: the catalog lock does not matter
    for server in
        select s.srvname, place.hosts, place.ports from pg_foreign_server s
        cross join lateral segment_hosts(substr(s.srvname, 4)::int) place
        where s.srvname ~ '^seg[0-9]+$' and place.hosts is not null
          and not s.srvoptions @> array['host=' || place.hosts, 'port=' || place.ports]
    loop
        execute format('alter server %I options (set host %L, set port %L)', server.srvname, server.hosts, server.ports);
    end loop;
    perform set_config('pg_sandbox.busy', 'off', true);
end $$;

create function pg_sandbox.run_on(of_content int, statement text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- Executes a statement on a segment inside the current transaction: it is undone there when this one is.
begin
    execute format('insert into pg_aoseg.%I values ($1)', 'run_' || of_content) using statement;
end $$;

create function pg_sandbox.fault(name text) returns text language plpgsql security definer as $$
-- Content of a fault's file, null when it is not set. Names with a slash cannot be files.
begin
    if position('/' in name) > 0 then
        return null;
    end if;
    return rtrim(pg_read_file('/run/sandbox/faults/' || name, 0, 4096, true), E'\n');
exception when undefined_file or insufficient_privilege then
    return null;
end $$;

create function pg_catalog.gp_request_fts_probe_scan() returns bool language plpgsql security definer as $$
-- fts sees a file; when it has finished the round that this asked for, it touches another.
declare
    runtime text := rtrim(regexp_replace(current_setting('data_directory'), '/([^/]+)/?$', '/.\1'), '/');
    asked timestamptz := clock_timestamp();
begin
    execute format('copy (select 1) to %L', runtime || '/probe');
    for attempt in 1 .. 600 loop
        begin
            if to_timestamp(nullif(pg_read_file(runtime || '/probed'), '')::float8) > asked then
                return true;
            end if;
        exception when undefined_file then
            null;  -- nobody has asked before
        end;
        perform pg_sleep(0.05);
    end loop;
    return false;
end $$;

create server sandbox_files foreign data wrapper file_fdw;  -- readable external tables
grant usage on foreign server sandbox_files to public;
