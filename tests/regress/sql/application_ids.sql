\i setup.sql
-- Ids of applications that were inserted directly: the next is above them.
INSERT INTO chat.applications (id, name, token) VALUES (40, 'forty', 'x40'), (30, 'thirty', 'x30');
SELECT id FROM chat.create_application('after forty');
INSERT INTO chat.applications (name, token) VALUES ('directly', 'x') RETURNING id;
COPY chat.applications (id, name, token) FROM stdin;
50	fifty	x50
\.
SELECT id FROM chat.create_application('after fifty');
-- The last there can be takes nothing from the others; nor does one that came by a way that fires no trigger.
INSERT INTO chat.applications (id, name, token) VALUES (2147483647, 'last', 'xlast');
SET session_replication_role = replica;
INSERT INTO chat.applications (id, name, token) SELECT i, 'copy ' || i, 'copy' || i FROM generate_series(52, 90) AS i;
RESET session_replication_role;
SELECT id FROM chat.create_application('after ninety');
SELECT error($$SELECT chat.create_application('Copy 60')$$);
-- One that is rolled back is not given again; what others require stays an error.
CREATE UNIQUE INDEX one_letter ON chat.applications (left(name, 1)) WHERE name < 'B' AND id > 91;
SELECT id FROM chat.create_application('Axe');
SELECT error($$SELECT chat.create_application('Ant')$$);
