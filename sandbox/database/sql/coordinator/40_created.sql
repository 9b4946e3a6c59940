-- 40_created.sql: turning what CREATE TABLE made on the coordinator into a table whose rows lie on segments
-- PostgreSQL creates the table in its own way first (LIKE, serial, checks, AS SELECT: all native); then it is exchanged
-- for a distributed one of the same name, before anybody else could see it.

create function pg_sandbox.default_keys(rel oid) returns name[] language plpgsql stable as $$
-- Greenplum's choice without a DISTRIBUTED clause: the primary key, else a unique one, else the first column that can
-- be hashed.
declare
    keys name[];
begin
    select array_agg(a.attname order by k.n) into keys
    from (select conkey from pg_constraint where conrelid = rel and contype in ('p', 'u') order by contype limit 1) c
    cross join lateral unnest(c.conkey) with ordinality as k(number, n) join pg_attribute a on a.attrelid = rel
        and a.attnum = k.number;
    if keys is not null then
        return keys;
    end if;
    select array[a.attname] into keys
    from pg_attribute a where a.attrelid = rel and a.attnum > 0 and not a.attisdropped and exists (
        select from pg_opclass o join pg_am m on m.oid = o.opcmethod where m.amname = 'hash' and o.opcdefault
            and o.opcintype = a.atttypid)
    order by a.attnum limit 1;
    if keys is null then
        return '{}';
    end if;
    raise notice
        'Table doesn''t have ''DISTRIBUTED BY'' clause -- Using column named ''%'' as the Greenplum Database data '
        'distribution key for this table.',
        keys[1] using
            hint =
                'The ''DISTRIBUTED BY'' clause determines the distribution of data. '
                'Make sure column(s) chosen are the optimal data '
        'distribution key to minimize skew.';
    return keys;
end $$;

create function pg_sandbox.created(rel oid, wish json) returns void language plpgsql as $$
-- wish: {"by": {"type": "hash" | "random" | "replicated", "columns": […]}, "with": {option: value}, "partition": see
-- add_partitions}, parts may be missing
declare
    made record;
    keys name[];
    spec json := wish -> 'by';
    missing text;
    segments int := pg_sandbox.segment_count();
begin
    select c.relname, c.relkind, c.relpersistence, c.relispartition, n.nspname into made
    from pg_class_real c join pg_namespace n on n.oid = c.relnamespace where c.oid = rel;
    if made.relpersistence = 't' then
        perform pg_sandbox.scatter_temporary(rel, wish);
        return;
    end if;
    if made.nspname like 'pg\_%' or made.nspname in ('gp_toolkit', 'information_schema')
        then
        return;
    end if;
    if made.relkind = 'p' or made.relispartition or exists (select from pg_inherits_real where inhrelid = rel) then
        raise exception 'inheritance and PostgreSQL''s own partitions are not part of the sandbox' using
            errcode = 'feature_not_supported';
    end if;
    if spec ->> 'type' = 'replicated' then
        keys := '{}';
    elsif spec ->> 'type' = 'random' then
        keys := '{}';
    elsif spec is null then
        keys := pg_sandbox.default_keys(rel);
    else
        select array_agg(value::name) into keys from json_array_elements_text(spec -> 'columns');
        select k into missing from unnest(keys) k where not exists (select from pg_attribute where attrelid = rel
            and attname = k and not attisdropped);
        if missing is not null then
            raise exception 'column "%" named in DISTRIBUTED BY clause does not exist', missing using
                errcode = 'undefined_column';
        end if;
    end if;
    if made.nspname in ('gpexpand', 'expansion_history') or segments = 0 then
        perform pg_sandbox.keep_local(rel, keys, segments);
    elsif spec ->> 'type' = 'replicated' then
        perform pg_sandbox.replicate(rel, segments);
    else
        perform pg_sandbox.distribute(rel, keys, wish);
    end if;
end $$;

create function pg_sandbox.scatter_temporary(rel oid, wish json) returns void language plpgsql set search_path =
    pg_catalog, pg_sandbox as $$
-- A temporary table stays on the coordinator, but each row in the part of the segment on which it would lie, so that
-- gp_segment_id tells. Only one that names its key; of the others nobody asks. It has no row in gp_distribution_policy.
-- wish: {"by": as in created(), "empties": rows go at each commit}
declare
    keys name[];
    made record;
    target text := name_of(rel);
    aside text := 'sandbox_aside_' || rel;
    empties text := case when (wish ->> 'empties')::bool then 'on commit delete rows' else '' end;
begin
    if wish #>> '{by,type}' is distinct from 'hash' then
        return;
    end if;
    select array_agg(value::name) into keys from json_array_elements_text(wish #> '{by,columns}');
    select c.relname, n.nspname into made from pg_class_real c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = rel;
    execute format('alter table %s rename to %I', target, aside);
    execute format('create temp table %I (like pg_temp.%I) partition by %s %s', made.relname, aside,
        partition_key(rel, keys), empties);
    for content in 0 .. segment_count() - 1 loop
        execute format('create temp table %I partition of pg_temp.%I for values with (modulus %s, remainder %s) %s',
            made.relname || '__gpseg' || content, made.relname, segment_count(), content, empties);
    end loop;
    execute format('insert into pg_temp.%I select * from pg_temp.%I', made.relname, aside);
    execute format('drop table pg_temp.%I', aside);
end $$;

create function pg_sandbox.keep_local(rel oid, keys name[], segments int) returns void
    language plpgsql security definer as $$
begin
    insert into pg_sandbox.tables (relid, kind, columns) values (rel, 'local', pg_sandbox.fingerprint(rel));
    perform pg_sandbox.set_policy(rel, 'p', segments, keys);
end $$;

create function pg_sandbox.storage_of(options json) returns "char" language sql immutable as $$
    select case when coalesce(options ->> 'appendonly', options ->> 'appendoptimized') is distinct from 'true' then 'h'
                when options ->> 'orientation' = 'column' then 'c' else 'a' end::"char"
$$;

create function pg_sandbox.distribute(rel oid, keys name[], wish json) returns oid language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- Exchanges a local table (or materialized view) for a distributed one of the same name and returns the new one's oid.
declare
    made record;
    target text := name_of(rel);
    aside text;
    parent oid;
    definitions text[];
    sequence record;
    query text;
    has_rows bool;
begin
    select c.relname, c.relkind, c.relpersistence, c.relacl, n.nspname, r.rolname into made
    from pg_class_real c join pg_namespace n on n.oid = c.relnamespace join pg_roles r on r.oid = c.relowner
        where c.oid = rel;
    if exists (select from pg_constraint where conrelid = rel and contype = 'f') then
        raise warning
            'referential integrity (FOREIGN KEY) constraints are not supported in Greenplum Database, '
            'will not be enforced';
    end if;
    select coalesce(array_agg(format('constraint "%s@" %s', replace(conname, '"', ''), pg_get_constraintdef(oid))
        order by contype), '{}') into definitions
    from pg_constraint where conrelid = rel and contype in ('p', 'u', 'c');
    if made.relkind = 'm' then
        query := rtrim(pg_get_viewdef(rel), ';');
        execute format('alter materialized view %s rename to %I', target, 'sandbox_aside_' || rel);
    else
        execute format('alter table %s rename to %I', target, 'sandbox_aside_' || rel);
    end if;
    aside := format('%I.%I', made.nspname, 'sandbox_aside_' || rel);
    execute
        format('create %s table %s (like %s including defaults including generated including comments '
               'including storage) partition by %s',
        case when made.relpersistence = 'u' then 'unlogged' else '' end, target, aside,
        case when wish #> '{partition}' is null then partition_key(rel, keys)
            else partition_clause(wish -> 'partition') end);
    parent := to_regclass(target)::oid;
    perform protect(parent);
    execute format('alter table %s owner to %I', target, made.rolname);
    for sequence in
        select d.objid::regclass::text as name, a.attname from pg_depend d join pg_class_real s on s.oid = d.objid
            and s.relkind = 'S'
        join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid where d.refobjid = rel
            and d.deptype = 'a'
    loop
        execute format('alter sequence %s owned by %s.%I', sequence.name, target, sequence.attname);
    end loop;
    insert into tables (relid, kind, storage, options, materialized, constraints, columns)
    values (parent, case when wish #> '{partition}' is null then 'hash' else 'root' end, storage_of(wish -> 'with'),
            (select array_agg(key || '=' || value) from json_each_text(wish -> 'with')), query, definitions,
                fingerprint(parent));
    perform set_policy(parent, 'p', segment_count(), keys);
    if wish #> '{partition}' is null then
        perform fill(parent);
    else
        perform add_partitions(parent, keys, wish);
    end if;
    execute format('select exists (select from %s)', aside) into has_rows;
    if has_rows then
        execute format('insert into %s (%s) select %2$s from %s', target, columns_of(rel), aside);
    end if;
    execute format('drop %s %s', case when made.relkind = 'm' then 'materialized view' else 'table' end, aside);
    return parent;
end $$;

create function pg_sandbox.fill(rel oid) returns void language plpgsql security definer set search_path = pg_catalog,
    pg_sandbox as $$
-- First, empty generation of a distributed table.
declare
    generation bigint := nextval('pg_sandbox.generation');
    segments int := (select numsegments from pg_catalog.gp_distribution_policy where localoid = rel);
begin
    perform protect(rel);
    for content in 0 .. segments - 1 loop
        perform place(rel, generation, content, segments);
    end loop;
    perform finish_physical(rel, generation);
end $$;

create function pg_sandbox.replicate(rel oid, segments int) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- A replicated table stays where it is, on the coordinator, and gets a copy on every segment; triggers write to all of
-- them.
declare
    event text;
begin
    perform protect(rel);
    insert into tables (relid, kind, columns) values (rel, 'replicated', fingerprint(rel));
    perform set_policy(rel, 'r', segments, '{}');
    perform copies(rel, segments);
    execute format('create trigger pg_sandbox_insert after insert on %s referencing new table as fresh '
                   'for each statement execute function pg_sandbox.write_copies()', name_of(rel));
    foreach event in array array['update', 'delete', 'truncate'] loop
        execute format('create trigger %I after %s on %s for each statement execute function pg_sandbox.write_copies()',
                       'pg_sandbox_' || event, event, name_of(rel));
    end loop;
end $$;

create function pg_sandbox.copies(rel oid, segments int) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- New copies of a replicated table on contents 0 .. segments - 1, in the place of the old ones. They hang under a
-- hidden parent, which gp_dist_random('x') reads.
declare
    generation bigint := nextval('pg_sandbox.generation');
    parent text := format('pg_aoseg.%I', 'copies_' || rel);
    physical text := 't' || rel || '_' || generation;
    copy name;
begin
    if to_regclass(parent) is not null then
        execute format('drop table %s cascade', parent);
    end if;
    execute format('create table %s (like %s) partition by list (pg_sandbox.anywhere(%I))', parent, name_of(rel),
        (select attname from pg_attribute where attrelid = rel and attnum > 0 and not attisdropped
            order by attnum limit 1));
    for content in 0 .. segments - 1 loop
        perform ensure_segment(content);
        perform run_on(content, physical_definition(rel, physical));
        copy := physical || '__gpseg' || content;
        execute
            format('create foreign table pg_aoseg.%I partition of %s for values in (%s) server %I '
                   'options (schema_name ''public'', table_name %L)',
                       copy, parent, content, 'seg' || content, physical);
        execute format('insert into pg_aoseg.%I (%s) select %2$s from %s', copy, columns_of(rel), name_of(rel));
    end loop;
end $$;

create function pg_sandbox.write_copies() returns trigger language plpgsql security definer set search_path =
    pg_catalog, pg_sandbox as $$
declare
    place record;
begin
    for place in select * from partitions_of(to_regclass(format('pg_aoseg.%I', 'copies_' || tg_relid))::oid) loop
        if tg_op = 'INSERT' then
            execute format('insert into pg_aoseg.%I (%s) select %2$s from fresh', place.name, columns_of(tg_relid));
        else  -- rows have no identity across copies: write them anew
            execute format('delete from pg_aoseg.%I', place.name);
            execute format('insert into pg_aoseg.%I (%s) select %2$s from %s', place.name, columns_of(tg_relid),
                name_of(tg_relid));
        end if;
    end loop;
    return null;
end $$;
