-- 77_segment_views.sql: what Greenplum gathers from its segments: replication, sizes

create function pg_sandbox.replication() returns table (gp_segment_id int, pid int, usesysid oid, usename name,
    application_name text, client_addr inet,
    client_hostname text, client_port int, backend_start timestamptz, backend_xmin xid, state text,
        sent_location pg_lsn, write_location pg_lsn,
    flush_location pg_lsn, replay_location pg_lsn, sync_priority int, sync_state text, sync_error text)
language plpgsql security definer set search_path = pg_catalog, pg_sandbox as $$
-- One row for the standby and one for each mirror, and for each copy that is being taken; of a mirror that does not stream only its number and what is known
-- about the reason.
declare
    segment record;
    columns text :=
        'pid, usesysid, usename, application_name, client_addr, client_hostname, client_port, backend_start, '
        'backend_xmin, state, '
                    'sent_lsn, write_lsn, flush_lsn, replay_lsn, sync_priority, sync_state';
begin
    return query execute
        format('select -1, %s, ''none''::text from pg_stat_replication where application_name in (''gp_walreceiver'', ''pg_basebackup'')',
            replace(columns,
        'client_addr',
            'case when client_addr <<= inet ''127.77.0.0/24'' '
            'then client_addr + (inet ''10.77.0.0'' - inet ''127.77.0.0'') else client_addr end'));
    for segment in
        select c.content, c.address, c.port from gp_segment_configuration c
        where c.role = 'p' and c.content >= 0 and exists (select from gp_segment_configuration m
            where m.content = c.content and m.role = 'm')
        order by 1
    loop
        begin
            return query execute format(
                'select $1, r.*, ''none''::text from (select 1) one left join dblink(%L, %L) as r('
                'pid int, usesysid oid, usename name, application_name text, client_addr inet, client_hostname text, '
                'client_port int, backend_start timestamptz, backend_xmin xid, state text, sent pg_lsn, '
                'write pg_lsn, flush pg_lsn, replay pg_lsn, sync_priority int, sync_state text) on true',
                format('host=%s port=%s dbname=postgres user=gpadmin connect_timeout=3', segment.address, segment.port),
                'select ' || columns || ' from pg_stat_replication where application_name in (''gp_walreceiver'', ''pg_basebackup'')')
                    using segment.content::int;
        exception when sqlclient_unable_to_establish_sqlconnection or connection_exception or connection_failure then
            gp_segment_id := segment.content;
            sync_error := 'unknown';
            return next;
        end;
    end loop;
end $$;

create view pg_catalog.gp_stat_replication as select * from pg_sandbox.replication();
grant select on pg_catalog.gp_stat_replication to public;

alter function pg_catalog.pg_table_size(regclass) rename to pg_table_size_real;
create function pg_catalog.pg_table_size(rel regclass) returns bigint language sql volatile strict as $$
    select coalesce(pg_sandbox.size_of(rel, 'with_toast'), pg_catalog.pg_table_size_real(rel))
$$;
alter function pg_catalog.pg_indexes_size(regclass) rename to pg_indexes_size_real;
create function pg_catalog.pg_indexes_size(rel regclass) returns bigint language sql volatile strict as $$
    select coalesce(pg_sandbox.size_of(rel, 'indexes'), pg_catalog.pg_indexes_size_real(rel))
$$;
alter function pg_catalog.pg_total_relation_size(regclass) rename to pg_total_relation_size_real;
create function pg_catalog.pg_total_relation_size(rel regclass) returns bigint language sql volatile strict as $$
    select pg_catalog.pg_table_size(rel) + pg_catalog.pg_indexes_size(rel)
$$;

create function pg_sandbox.database_size(database name) returns bigint language plpgsql volatile security definer
set search_path = pg_catalog, pg_sandbox as $$
-- On the coordinator and all acting primaries.
declare
    segment record;
    total bigint := pg_database_size_real(database);
begin
    for segment in select address, port from gp_segment_configuration where role = 'p' and content >= 0 loop
        total := total + coalesce((select size from dblink(
            format('host=%s port=%s dbname=postgres user=gpadmin connect_timeout=3', segment.address, segment.port),
            format('select pg_database_size(oid) from pg_database where datname = %L', database)) as t(size bigint)),
                0);
    end loop;
    return total;
end $$;

alter function pg_catalog.pg_database_size(oid) rename to pg_database_size_real;
alter function pg_catalog.pg_database_size(name) rename to pg_database_size_real;
create function pg_catalog.pg_database_size(database oid) returns bigint language sql volatile strict as $$
    select pg_sandbox.database_size((select datname from pg_catalog.pg_database where oid = database))
$$;
create function pg_catalog.pg_database_size(database name) returns bigint language sql volatile strict as $$
    select pg_sandbox.database_size(database)
$$;

create function pg_catalog.gp_execution_segment() returns int language sql stable as 'select -1';
