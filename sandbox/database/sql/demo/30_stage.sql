-- 30_stage.sql: append-optimised tables (shown as such, kept as heaps), many small ones, external ones
create table stage.ao_row (id bigint, a text, b text) with (appendonly=true) distributed by (id);
insert into stage.ao_row select i, repeat('a', 40), repeat('b', 40) from generate_series(1, {n:500000}) i;
create table stage.ao_row_zstd (id bigint, a text, b text) with (appendonly=true, compresstype=zstd,
    compresslevel=3) distributed by (id);
insert into stage.ao_row_zstd select i, md5(i::text), md5((i + 1)::text) from generate_series(1, {n:400000}) i;
create table stage.ao_col (id bigint, a text, b int, c numeric) with (appendonly=true, orientation=column) distributed
    by (id);
insert into stage.ao_col select i, md5(i::text), i % 100, i / 3.0 from generate_series(1, {n:600000}) i;
create table stage.ao_col_zlib (id bigint, a text, b int)
    with (appendonly=true, orientation=column, compresstype=zlib, compresslevel=5) distributed randomly;
insert into stage.ao_col_zlib select i, md5(i::text), i % 100 from generate_series(1, {n:400000}) i;
{small tables}
create table stage.empty_t (id int) distributed by (id);
create unlogged table stage.unlogged_t (id int, v text) distributed by (id);
insert into stage.unlogged_t select i, 'u' from generate_series(1, {n:20000}) i;
create external table stage.ext_gpfdist (id int, v text) location ('gpfdist://mdw:8081/x.csv') format 'csv';
create external web table stage.ext_host (host text, seg int) execute 'echo "$(hostname),$GP_SEGMENT_ID"'
    on all format 'csv';
create external table stage.ext_passwd (line text) location ('file://mdw/etc/hostname') format 'csv';
create writable external table stage.ext_w (id int, v text) location ('gpfdist://mdw:8081/out.csv') format 'csv'
    distributed by (id);
create sequence stage.seq1;
