CREATE TABLE part(id INTEGER PRIMARY KEY, name TEXT, mass REAL, kind INT);
CREATE INDEX by_kind ON part(kind, mass);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
INSERT INTO part SELECT i, printf('part-%05d', i * 7919 % 50021), (i * 31 % 1000) / 8.0, i % 17 FROM n;
COMMIT;
SELECT kind, count(*), round(sum(mass), 3), min(name), max(name) FROM part GROUP BY kind ORDER BY 3 DESC LIMIT 5;
SELECT a.id, b.id FROM part a JOIN part b ON b.kind = a.kind AND b.mass = a.mass AND b.id > a.id WHERE a.id < 40 ORDER BY 1, 2 LIMIT 5;
SELECT name, rank() OVER (ORDER BY mass DESC, name) FROM part WHERE kind = 3 LIMIT 4;
UPDATE part SET mass = mass * 2 WHERE kind = 4;
DELETE FROM part WHERE id % 3 = 0;
VACUUM;
PRAGMA integrity_check;
SELECT count(*), total(mass) FROM part;
SELECT json_extract('{"a":[1,2,{"b":"x"}]}', '$.a[2].b'), hex(zeroblob(3)), 7 / 2, 'é' LIKE 'É', substr('crane', -3);
SELECT name FROM part WHERE name LIKE '%999' ORDER BY 1 LIMIT 3;
