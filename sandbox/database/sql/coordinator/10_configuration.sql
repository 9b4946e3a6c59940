-- 10_configuration.sql: the catalogs that all databases share, and the lock that gpexpand takes on the others
-- Run in:   template1 of a new coordinator; other databases are copies of it
-- Why here: PostgreSQL cannot make new shared tables. pg_shseclabel is one that nobody uses in practice: its rows
--           are seen by all databases at once, under the same transaction rules as everything else.
set allow_system_table_mods = on;
set check_function_bodies = off;  -- they name the renamed catalogs of 70_catalogs.sql
alter schema public owner to gpadmin;  -- as before PostgreSQL 15, which gives it to pg_database_owner
grant create on schema public to public;
create schema pg_sandbox;
-- foreign partitions; Greenplum keeps its own auxiliary tables under this name, so everybody skips it
create schema pg_aoseg;
grant usage on schema pg_sandbox to public;
create extension postgres_fdw schema pg_sandbox;
create extension dblink schema pg_sandbox;
create extension file_fdw schema pg_sandbox;
create sequence pg_sandbox.generation cycle;

create view pg_catalog.gp_segment_configuration as
    select row_of.dbid, row_of.content, row_of.role, row_of.preferred_role, row_of.mode, row_of.status, row_of.port,
           row_of.hostname, row_of.address, row_of.datadir
    from pg_catalog.pg_shseclabel s
    cross join lateral pg_catalog.json_to_record(s.label::json) as row_of(
        dbid int2, content int2, role "char", preferred_role "char", mode "char", status "char", port int4,
        hostname text, address text, datadir text)
    where s.provider = 'gp_segment_configuration';

create function pg_sandbox.write_configuration() returns trigger language plpgsql security definer as $$
begin
    if tg_op in ('UPDATE', 'DELETE') then
        delete from pg_catalog.pg_shseclabel where provider = 'gp_segment_configuration' and objoid = old.dbid::oid;
    end if;
    if tg_op = 'DELETE' then
        return old;
    end if;
    insert into pg_catalog.pg_shseclabel (objoid, classoid, provider, label)
        values (new.dbid::oid, 5036, 'gp_segment_configuration', row_to_json(new)::text);
    return new;
end $$;
create trigger write instead of insert or update or delete on pg_catalog.gp_segment_configuration
    for each row execute function pg_sandbox.write_configuration();

create view pg_catalog.gp_configuration_history as
    select row_of.time, row_of.dbid, row_of."desc"
    from pg_catalog.pg_shseclabel s
    cross join lateral pg_catalog.json_to_record(s.label::json) as row_of("time" timestamptz, dbid int2, "desc" text)
    where s.provider = 'gp_configuration_history';

grant select on pg_catalog.gp_segment_configuration, pg_catalog.gp_configuration_history to public;

create function pg_sandbox.note(of_dbid int, description text) returns void language sql as $$
    insert into pg_catalog.pg_shseclabel (objoid, classoid, provider, label)
    select (random() * 2147483647)::int::oid, (random() * 2147483647)::int::oid, 'gp_configuration_history',
           json_build_object('time', clock_timestamp(), 'dbid', of_dbid, 'desc', description)::text
$$;

create function pg_sandbox.segment_count() returns int language sql stable security definer as $$
    select count(*)::int from pg_catalog.gp_segment_configuration where content >= 0 and preferred_role = 'p'
$$;

-- the functions by which gpexpand changes the configuration: names and arguments as in Greenplum 6
create function pg_catalog.gp_add_segment(new_dbid int2, new_content int2, new_role "char", new_preferred_role "char",
    new_mode "char", new_status "char", new_port int4, new_hostname text, new_address text, new_datadir text)
returns int2 language plpgsql as $$
begin
    insert into pg_catalog.gp_segment_configuration
        values (new_dbid, new_content, new_role, new_preferred_role, new_mode, new_status, new_port, new_hostname,
            new_address, new_datadir);
    perform pg_sandbox.note(new_dbid, case when new_preferred_role = 'm'
        then 'gpexpand: segment config for resync: inserted mirror segment configuration'
        else 'gpexpand: segment config for resync: inserted primary segment configuration with contentid ' ||
            new_content end);
    return new_dbid;
end $$;

create function pg_catalog.gp_add_segment_primary(new_hostname text, new_address text, new_port int4, new_datadir text)
returns int2 language sql as $$
    select pg_catalog.gp_add_segment((max(dbid) + 1)::int2, (max(content) + 1)::int2, 'p', 'p', 'n', 'u', new_port,
        new_hostname, new_address,
                                     new_datadir)
    from pg_catalog.gp_segment_configuration
$$;

create function pg_catalog.gp_add_segment_mirror(of_content int2, new_hostname text, new_address text, new_port int4,
    new_datadir text)
returns int2 language sql as $$
    select pg_catalog.gp_add_segment((max(dbid) + 1)::int2, of_content, 'm', 'm', 'n', 'd', new_port, new_hostname,
        new_address, new_datadir)
    from pg_catalog.gp_segment_configuration
$$;

create function pg_catalog.gp_remove_segment(of_dbid int2) returns bool language plpgsql as $$
begin
    delete from pg_catalog.gp_segment_configuration where dbid = of_dbid;
    if not found then
        raise exception 'dbid % does not exist', of_dbid;
    end if;
    return true;
end $$;

create function pg_catalog.gp_remove_segment_mirror(of_content int2) returns bool language plpgsql as $$
begin
    delete from pg_catalog.gp_segment_configuration where content = of_content and preferred_role = 'm';
    if not found then
        raise exception 'contentid % does not have a mirror', of_content;
    end if;
    return true;
end $$;

-- Catalog lock. pg_replication_origin is shared by all databases and otherwise unused: DDL takes ROW SHARE on it until
-- its transaction ends (sessions do not hinder each other), gpexpand takes EXCLUSIVE (waits for all of them, then none
-- gets in).
create function pg_catalog.gp_expand_lock_catalog() returns void language plpgsql security definer as $$
begin
    lock table pg_catalog.pg_replication_origin in exclusive mode;
end $$;

create function pg_catalog.gp_expand_bump_version() returns void language plpgsql security definer as $$
declare
    before int := pg_sandbox.expand_version();
begin
    delete from pg_catalog.pg_shseclabel where provider = 'gp_expand_version';
    insert into pg_catalog.pg_shseclabel (objoid, classoid, provider, label)
        values (1, 1, 'gp_expand_version', json_build_object('version', before + 1, 'since', clock_timestamp())::text);
end $$;

create function pg_sandbox.expand_version() returns int language sql stable security definer as $$
    select coalesce(max((label::json ->> 'version')::int), 0) from pg_catalog.pg_shseclabel
        where provider = 'gp_expand_version'
$$;

create function pg_sandbox.enter_catalog() returns void language plpgsql security definer as $$
-- What every change of a catalog does first.
declare
    bumped timestamptz;
    started timestamptz;
begin
    begin
        lock table pg_catalog.pg_replication_origin in row share mode nowait;
    exception when lock_not_available then
        raise exception 'gpexpand in progress, catalog changes are disallowed.' using errcode = 'XX000';
    end;
    select (label::json ->> 'since')::timestamptz into bumped from pg_catalog.pg_shseclabel
        where provider = 'gp_expand_version';
    if bumped is not null then
        select backend_start into started from pg_stat_get_activity(pg_backend_pid());
        if started < bumped then
            raise exception 'cluster is expaneded from version % to %, catalog changes are disallowed',  -- sic
                pg_sandbox.expand_version() - 1, pg_sandbox.expand_version() using errcode = 'XX000',
                    hint = 'sandbox:fatal';
        end if;
    end if;
end $$;
