-- 50_expand.sql: ALTER TABLE … EXPAND TABLE, EXPAND PARTITION PREPARE, SET WITH (REORGANIZE) DISTRIBUTED …
-- Messages as in recordings/54 and in Greenplum's tablecmds.c.

create function pg_sandbox.table_fault(rel oid) returns void language plpgsql as $$
declare
    text_of_fault text;
begin
    select pg_sandbox.fault(format('table.%s.%s.%s', current_database(), n.nspname, c.relname)) into text_of_fault
    from pg_class_real c join pg_namespace n on n.oid = c.relnamespace where c.oid = rel;
    if text_of_fault is not null then
        raise exception '%', coalesce(nullif(text_of_fault, ''), 'fault of the sandbox');
    end if;
end $$;

create function pg_sandbox.leaves(rel oid) returns setof oid language sql stable set search_path = pg_catalog,
    pg_sandbox as $$
    -- The tables with rows under a partitioned root: itself when it is none.
    with recursive below as (
        select rel as oid union all
        select i.inhrelid from below b join tables t on t.relid = b.oid and t.kind = 'root' join pg_inherits_real i
            on i.inhparent = b.oid)
    select b.oid from below b join tables t on t.relid = b.oid where t.kind = 'hash'
$$;

create function pg_sandbox.branches(rel oid) returns setof oid language sql stable set search_path = pg_catalog,
    pg_sandbox as $$
    -- The root and its interior partitions.
    with recursive below as (
        select rel as oid union all select i.inhrelid from below b join pg_inherits_real i on i.inhparent = b.oid
            join tables t on t.relid = i.inhrelid and t.kind = 'root')
    select oid from below
$$;

create function pg_sandbox.is_partition(rel oid) returns bool language sql stable as $$
    select exists (select from pg_sandbox.tables t join pg_inherits_real i on i.inhrelid = t.relid where t.relid = rel)
$$;

create function pg_sandbox.expand(rel oid, word text) returns void language plpgsql security definer as $$
declare
    policy record;
    entry record;
    relation name;
    segments int := pg_sandbox.segment_count();
    leaf oid;
begin
    select relname into relation from pg_class_real where oid = rel;
    select * into policy from pg_catalog.gp_distribution_policy where localoid = rel;
    select * into entry from pg_sandbox.tables where relid = rel;
    if entry.kind = 'external' and word = 'TABLE' then
        raise warning '"%" is an external table. ALTER TABLE for external tables is deprecated.', relation
            using hint = 'Use ALTER EXTERNAL TABLE instead';
    end if;
    if policy.numsegments is null or policy.numsegments = segments then
        raise exception 'cannot expand table "%"', relation using detail = 'table has already been expanded',
            errcode = 'object_not_in_prerequisite_state';
    end if;
    if pg_sandbox.is_partition(rel) then
        raise exception 'cannot expand leaf or interior partition "%"', relation using
            detail = 'root/leaf/interior partitions need to have same numsegments',
                hint = 'use "ALTER TABLE … EXPAND TABLE" on the root',
            errcode = 'wrong_object_type';
    end if;
    perform pg_sandbox.table_fault(rel);
    if entry.kind = 'hash' then
        perform pg_sandbox.move(rel, segments);
    elsif entry.kind = 'replicated' then
        perform pg_sandbox.protect(rel);
        perform pg_sandbox.copies(rel, segments);
    elsif entry.kind = 'root' then
        for leaf in select pg_sandbox.leaves(rel) loop
            perform pg_sandbox.lock_exclusively(leaf);
            perform pg_sandbox.move(leaf, segments);
            update pg_catalog.gp_distribution_policy set numsegments = segments where localoid = leaf;
        end loop;
        update pg_catalog.gp_distribution_policy set numsegments = segments
            where localoid in (select pg_sandbox.branches(rel));
    end if;  -- external and local ones have no rows on segments
    update pg_catalog.gp_distribution_policy set numsegments = segments where localoid = rel;
end $$;

create function pg_sandbox.lock_exclusively(rel oid) returns void language plpgsql as $$
begin
    execute format('lock table only %s in access exclusive mode', pg_sandbox.name_of(rel));
end $$;

create function pg_sandbox.prepare(rel oid) returns void language plpgsql security definer as $$
-- Root and interior partitions reach their new number of segments at once; leaves become random on all segments, their
-- rows stay where they are.
declare
    policy record;
    relation name;
    segments int := pg_sandbox.segment_count();
    leaf oid;
begin
    select relname into relation from pg_class_real where oid = rel;
    select * into policy from pg_catalog.gp_distribution_policy where localoid = rel;
    if not exists (select from pg_sandbox.tables where relid = rel and kind = 'root') or pg_sandbox.is_partition(rel)
        then
        raise exception 'cannot prepare to expand table "%"', relation using
            detail = 'table is not the root of a partitioned table',
            errcode = 'wrong_object_type';
    end if;
    if policy.numsegments = segments then
        raise notice 'skip "%": table has already been prepared', relation;
        return;
    end if;
    for leaf in select pg_sandbox.leaves(rel) loop
        perform pg_sandbox.lock_exclusively(leaf);
        perform pg_sandbox.widen(leaf, segments);
    end loop;
    update pg_catalog.gp_distribution_policy set numsegments = segments
        where localoid in (select pg_sandbox.branches(rel));
end $$;

create function pg_sandbox.widen(rel oid, segments int) returns void language plpgsql security definer
set search_path = pg_catalog, pg_sandbox as $$
-- A table becomes random over more segments without moving a row: its physical tables stay, empty ones join them.
declare
    place record;
    names name[];
    physicals name[];
    generation bigint := nextval('pg_sandbox.generation');
begin
    perform protect(rel);
    perform set_policy(rel, 'p', segments, '{}');
    select array_agg(p.name order by p.content), array_agg(p.physical order by p.content) into names, physicals
        from partitions_of(rel) p;
    for content in 0 .. array_length(names, 1) - 1 loop
        execute format('alter table %s detach partition pg_aoseg.%I', name_of(rel), names[content + 1]);
    end loop;
    perform change_key(rel, '{}');
    for content in 0 .. array_length(names, 1) - 1 loop
        perform run_on(content, format('drop trigger if exists key on public.%I', physicals[content + 1]));
        execute format('alter table %s attach partition pg_aoseg.%I for values with (modulus %s, remainder %s)',
                       name_of(rel), names[content + 1], segments, content);
    end loop;
    for content in array_length(names, 1) .. segments - 1 loop
        perform place(rel, generation, content, segments);
    end loop;
    perform finish_physical(rel, generation);
end $$;

create function pg_sandbox.redistribute(rel oid, by json) returns void language plpgsql security definer as $$
-- SET WITH (REORGANIZE=true) DISTRIBUTED …: all rows rewritten under that policy.
-- by: as in created(), null: the policy
-- it has.
declare
    relation name;
    entry record;
    parent oid;
    keys name[];
    own name[];
    wanted_replicated bool := by ->> 'type' = 'replicated';
    segments int := pg_sandbox.segment_count();
    place record;
begin
    select relname into relation from pg_class_real where oid = rel;
    select * into entry from pg_sandbox.tables where relid = rel;
    if entry.kind is distinct from 'hash' or wanted_replicated then
        raise exception 'cannot redistribute "%"', relation using
            detail = format('Changing the policy of a table of kind %s to %s is not part of the sandbox.',
                coalesce(entry.kind, 'unknown'), by ->> 'type'),
            errcode = 'feature_not_supported';
    end if;
    select case when by is null then pg_sandbox.key_columns(rel) else coalesce(array_agg(value::name),
        '{}') end into keys
    from json_array_elements_text(coalesce(by -> 'columns', '[]'));
    select inhparent into parent from pg_inherits_real where inhrelid = rel;
    if parent is not null and by is not null and keys <> pg_sandbox.key_columns(parent) then
        raise exception 'can''t set the distribution policy of "%"', relation using
            hint = 'Distribution policy of a partition must be the same as its parent''s.',
                errcode = 'object_not_in_prerequisite_state';
    end if;
    perform pg_sandbox.table_fault(rel);
    own := pg_sandbox.key_columns(rel);
    if parent is null then  -- only a leaf was widened by PREPARE; a plain table keeps its number of segments
        select numsegments into segments from pg_catalog.gp_distribution_policy where localoid = rel;
    else
        select numsegments into segments from pg_catalog.gp_distribution_policy where localoid = parent;
    end if;
    perform pg_sandbox.set_policy(rel, 'p', segments, keys);
    perform pg_sandbox.move(rel, segments, nullif(keys, own));
end $$;
