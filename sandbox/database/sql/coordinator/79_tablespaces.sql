-- 79_tablespaces.sql: tablespaces as Greenplum keeps them: in <location>/<dbid> of every instance, linked from pg_tblspc
-- PostgreSQL's own tablespace exists on the coordinator and, by replication, on the standby, in <location> itself.
-- Primaries and mirrors have directory and link, and no tables in them: TABLESPACE in CREATE TABLE is refused
-- (statements.py).
-- The proxy turns CREATE and DROP TABLESPACE into calls of the functions here, with the tag DO.

create function pg_sandbox.instance_dsn(of_dbid int) returns text language sql stable as $$
    -- The instance itself, whoever is primary now; mirrors and the standby answer questions while they follow.
    select case when dbid = 1 then format('host=%s port=%s', current_setting('unix_socket_directories'),
                                          current_setting('port'))
                else format('host=%s port=%s', address, port) end
           || ' dbname=postgres user=gpadmin connect_timeout=5 application_name=tablespaces'
    from pg_catalog.gp_segment_configuration where dbid = of_dbid
$$;

create function pg_sandbox.on_host_of(of_dbid int, command text) returns void language plpgsql as $$
begin
    perform pg_sandbox.dblink_exec(pg_sandbox.instance_dsn(of_dbid), format('copy (select 1) to program %L',
                                                                            'cat >/dev/null; ' || command));
end $$;

create function pg_sandbox.shell_word(text) returns text language sql immutable as $$
    select '''' || replace($1, '''', '''\''''') || ''''
$$;

create function pg_sandbox.create_tablespace(tablespace name, location text, others json) returns void language plpgsql
security definer set search_path = pg_catalog, pg_sandbox as $$
declare
    instance record;
    made oid;
    is_directory bool;
begin
    if exists (select from pg_tablespace where spcname = tablespace) then
        raise exception 'tablespace "%" already exists', tablespace using errcode = 'duplicate_object';
    end if;
    create temp table tablespace_places on commit drop as
        select c.dbid::int as dbid, c.content, c.address, c.port, c.datadir,
               coalesce(others ->> ('content' || c.content), location) as place
        from gp_segment_configuration c
        where c.dbid = 1 or c.content >= 0;  -- the standby lets nobody in
    for instance in select * from tablespace_places order by dbid loop
        select found.is_directory into is_directory from dblink(instance_dsn(instance.dbid), format(
            'select coalesce((pg_stat_file(%L, true)).isdir, false)', instance.place)) found(is_directory bool);
        if not is_directory then
            raise exception 'directory "%" does not exist%', instance.place, case when instance.content < 0 then '' else
                format('  (seg%s %s:%s pid=%s)', instance.content, instance.address, instance.port, pg_backend_pid()) end
                using errcode = 'undefined_file';
        end if;
    end loop;
    perform dblink_exec(instance_dsn(1), format('create tablespace %I location %L', tablespace, location));
    select oid into made from dblink(instance_dsn(1), format('select oid from pg_tablespace where spcname = %L',
                                                            tablespace)) found(oid oid);
    for instance in select * from tablespace_places order by dbid loop
        perform on_host_of(instance.dbid, format('mkdir -m 700 %1$s %1$s/GPDB_6_301908232%2$s',
            shell_word(instance.place || '/' || instance.dbid),
            case when instance.content < 0 then '' else format(' && ln -s %s %s',
                shell_word(instance.place || '/' || instance.dbid),
                shell_word(format('%s/pg_tblspc/%s', instance.datadir, made))) end));
    end loop;
end $$;

create function pg_sandbox.drop_tablespace(tablespace name, if_exists bool) returns void language plpgsql
security definer set search_path = pg_catalog, pg_sandbox as $$
declare
    instance record;
    gone oid;
    location text;
begin
    select oid into gone from pg_tablespace where spcname = tablespace;
    if gone is null and if_exists then
        raise notice 'tablespace "%" does not exist, skipping', tablespace;
        return;
    end if;
    location := pg_tablespace_location(gone);
    perform dblink_exec(instance_dsn(1), format('drop tablespace %I', tablespace));  -- says itself what forbids it
    perform on_host_of(1, format('rm -rf %s', shell_word(location || '/1')));
    for instance in select dbid::int, datadir from gp_segment_configuration where content >= 0 and status = 'u' loop
        perform on_host_of(instance.dbid, format('link=%s; [ -L $link ] || exit 0; rm -rf $(readlink $link); rm $link',
            shell_word(format('%s/pg_tblspc/%s', instance.datadir, gone))));
    end loop;
end $$;

create function pg_catalog.gp_tablespace_location(tblspc_oid oid, out gp_segment_id int, out tblspc_loc text)
returns setof record language plpgsql stable security definer set search_path = pg_catalog, pg_sandbox as $$
declare
    segment record;
begin
    for segment in select dbid::int, content from gp_segment_configuration where content >= 0 and role = 'p'
                   order by content loop
        gp_segment_id := segment.content;
        select regexp_replace(found.place, '/[0-9]+$', '') into tblspc_loc from dblink(instance_dsn(segment.dbid),
            format('select pg_tablespace_location(%s)', tblspc_oid)) found(place text);
        return next;
    end loop;
    gp_segment_id := -1;
    tblspc_loc := pg_catalog.pg_tablespace_location(tblspc_oid);
    return next;
end $$;
