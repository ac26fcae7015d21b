-- A load for a database in memory: inserts, an index, joins, updates, text, a recursive query, deletes.
pragma temp_store = memory;
create table part(id integer primary key, kind int, mass real, name text);
create table link(part int, other int, weight int);
begin;
with recursive n(x) as (select 1 union all select x + 1 from n where x < 180000)
  insert into part select x, x * 7919 % 97, (x * 31 % 1009) / 7.0, printf('part-%06d-%d', x * 7919 % 180000, x % 13) from n;
with recursive n(x) as (select 1 union all select x + 1 from n where x < 270000)
  insert into link select x * 17 % 180000 + 1, x * 101 % 180000 + 1, x % 7 from n;
commit;
create index by_kind on part(kind, mass);
create index by_name on part(name);
create index by_part on link(part);
select kind, count(*), round(sum(mass), 3), max(name) from part group by kind order by kind limit 10;
select count(*), sum(l.weight), round(avg(p.mass), 6) from link l join part p on p.id = l.part join part q on q.id = l.other where p.kind > q.kind;
select count(*) from part where name like 'part-0%1-7' or name glob '*9-3';
begin;
update part set mass = mass * 1.5, name = name || 'x' where kind % 3 = 1;
update link set weight = weight + (select kind from part where id = link.part) where weight < 5;
commit;
select sum(weight) from link;
with recursive walk(id, depth) as (select 1, 0 union select other, depth + 1 from walk join link on link.part = walk.id where depth < 9)
  select depth, count(*) from walk group by depth;
select substr(name, 1, 7) as head, count(distinct kind), round(total(mass), 2) from part group by head having count(*) > 5 order by 3 desc, 1 limit 8;
delete from link where part in (select id from part where kind % 5 = 2);
delete from part where kind % 5 = 2;
select count(*), sum(length(name)), min(name), max(name) from part;
pragma integrity_check;
