\i setup.sql
SELECT id FROM chat.create_application('shop');
SELECT id FROM chat.create_application('bank');

-- A key is shown once; the table has its SHA-256, and it is found by that alone.
SELECT chat.create_key('server', 'admin') AS admin \gset
SELECT chat.create_key('shop''s', 'write', 1) AS write \gset
SELECT chat.create_key('short', 'read', 2, now() + interval '1 hour') AS short \gset
SELECT key ~ '^pgc_[1-9][0-9]*_[0-9a-f]{48}$' FROM (VALUES (:'admin'), (:'write'), (:'short')) AS k (key);
SELECT application_id, bound_to, name, scope, digest = sha256(convert_to(:'write', 'UTF8')), expires_at, revoked_at, last_used_at
FROM chat.api_keys WHERE name = 'shop''s';
SELECT count(*) FROM chat.api_keys AS k WHERE k::text LIKE '%' || split_part(:'admin', '_', 3) || '%';
SELECT application_id, name, scope, expires_at > now(), revoked_at, last_used_at FROM chat.list_keys() ORDER BY name;
SELECT name FROM chat.list_keys(2);

CREATE FUNCTION test.checked(VARIADIC keys text[]) RETURNS TABLE (item integer, application_id integer, token boolean, scope text) LANGUAGE sql AS $$
	SELECT c.item, c.application_id, c.token = a.token, c.scope
	FROM chat.check_keys(
		(SELECT array_agg(sha256(convert_to(key, 'UTF8')) ORDER BY n) FROM unnest(keys) WITH ORDINALITY AS k (key, n)),
		(SELECT array_agg(split_part(key, '_', 2)::integer ORDER BY n) FROM unnest(keys) WITH ORDINALITY AS k (key, n))) AS c
	LEFT JOIN chat.applications AS a ON a.id = c.application_id $$;
SELECT * FROM checked(:'admin', :'write', :'short', :'admin') ORDER BY 1;
-- Another secret, another id, nothing.
SELECT * FROM checked(:'admin' || '0', left(:'admin', -1), regexp_replace(:'admin', '\d+', '7'), 'pgc_1_');
SELECT * FROM chat.check_keys(NULL, NULL);
SELECT * FROM chat.check_keys('{}', '{}');
SELECT * FROM chat.check_keys('{NULL}', '{NULL}');

-- Use is noted once a minute.
SELECT chat.note_key_use(array_agg(id) || 7) FROM chat.list_keys() WHERE name <> 'short';
SELECT name, last_used_at > now() - interval '1 minute' FROM chat.list_keys() ORDER BY name;
CREATE TABLE test.noted AS SELECT id, last_used_at FROM chat.list_keys();
SELECT chat.note_key_use(array_agg(id)) FROM chat.list_keys() WHERE name <> 'short';
SELECT count(*) FROM noted JOIN chat.list_keys() AS k USING (id) WHERE k.last_used_at IS DISTINCT FROM noted.last_used_at;
UPDATE chat.api_keys SET last_used_at = now() - interval '61 seconds' WHERE name = 'server';
SELECT chat.note_key_use(array_agg(id)) FROM chat.list_keys();
SELECT count(*) FROM noted JOIN chat.list_keys() AS k USING (id) WHERE k.last_used_at IS DISTINCT FROM noted.last_used_at;
SELECT chat.note_key_use(NULL);

-- Revoked, expired, or with its application gone: it is not found.
SELECT chat.revoke_key(split_part(:'write', '_', 2)::integer), chat.revoke_key(split_part(:'admin', '_', 2)::integer);
SELECT chat.revoke_key(split_part(:'write', '_', 2)::integer);
SELECT * FROM checked(:'admin', :'write', :'short');
SELECT error('SELECT chat.revoke_key(7)');
SELECT error('SELECT chat.revoke_key(NULL)');
UPDATE chat.api_keys SET expires_at = now() WHERE name = 'short';
SELECT * FROM checked(:'short');
UPDATE chat.api_keys SET expires_at = NULL WHERE name = 'short';
SELECT * FROM checked(:'short');
BEGIN;
DELETE FROM chat.applications WHERE id = 2;
SELECT * FROM checked(:'short');
SELECT name FROM chat.list_keys() ORDER BY name;
ROLLBACK;

-- Wrong arguments.
SELECT error($$SELECT chat.create_key(NULL, 'read')$$);
SELECT error($$SELECT chat.create_key(E' \t', 'read')$$);
SELECT error($$SELECT chat.create_key(repeat('ü', 256), 'read')$$);
SELECT error($$SELECT chat.create_key('x', NULL)$$);
SELECT error($$SELECT chat.create_key('x', 'Admin')$$);
SELECT error($$SELECT chat.create_key('x', 'read', 3)$$);
SELECT error($$SELECT chat.create_key('x', 'read', 0)$$);
SELECT error($$SELECT chat.create_key('x', 'read', NULL, now())$$);
SELECT error($$SELECT chat.create_key('x', 'read', NULL, '-infinity')$$);
SELECT length(chat.create_key(repeat('ü', 255), 'read', NULL, 'infinity')) > 50;
SELECT error('SELECT * FROM chat.list_keys(3)');
SELECT error($$INSERT INTO chat.api_keys (application_id, id, name, scope, digest) VALUES (9, 1, 'x', 'read', '')$$);
SELECT left(error($$INSERT INTO chat.api_keys (application_id, id, name, scope, digest) VALUES (1, 1, 'x', 'root', '')$$), 5);

-- Signing keys: a secret is shown once; of others the public key says what it is for.
SELECT kid AS kid, secret AS secret FROM chat.create_signing_key(1) \gset
SELECT :'kid' ~ '^[0-9a-f]{16}$', :'secret' ~ '^[0-9a-f]{64}$';
SELECT kid, length(secret) FROM chat.create_signing_key(1, 'k-1.a_B');
SELECT chat.register_public_key(1, '-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEV3ByGvC2mKbCVLJPeqTFsmbsmJPf
mVYwjBRbyxMFWmR5J3Lmkp2B6s4yz7s0zKeQ0LAxL0p5b1pU9tCqW5nXwA==
-----END PUBLIC KEY-----
', 'p256');
SELECT chat.register_public_key(1, E'-----BEGIN PUBLIC KEY-----\r\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\r\n-----END PUBLIC KEY-----\r\n', 'ed');
SELECT application_id, CASE kid WHEN :'kid' THEN 'kid' ELSE kid END, algorithm FROM chat.list_signing_keys() ORDER BY algorithm, 2;
SELECT algorithm FROM chat.list_signing_keys(2);
SELECT item, application_id, algorithm, length(material), material = convert_to(:'secret', 'UTF8')
FROM chat.get_verification_keys(ARRAY[token('shop'), token('shop'), token('shop'), token('bank'), 'x', NULL], ARRAY['ed', :'kid', 'p256', 'ed', 'ed', NULL]);
SELECT chat.revoke_signing_key(1, 'ed'), chat.revoke_signing_key(1, 'ed'), chat.revoke_signing_key(1, NULL);
SELECT * FROM chat.get_verification_keys(ARRAY[token('shop')], '{ed}');
SELECT error($$SELECT chat.revoke_signing_key(3, 'ed')$$);
SELECT error('SELECT chat.create_signing_key(3)');
SELECT error('SELECT chat.create_signing_key(NULL)');
SELECT error($$SELECT chat.create_signing_key(1, 'p256')$$);
SELECT error($$SELECT chat.create_signing_key(1, '')$$);
SELECT error($$SELECT chat.create_signing_key(1, 'a b')$$);
SELECT error($$SELECT chat.create_signing_key(1, repeat('k', 65))$$);
SELECT error($$SELECT chat.register_public_key(1, NULL)$$);
SELECT error($$SELECT chat.register_public_key(1, 'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=')$$);
SELECT split_part(error($$SELECT chat.register_public_key(1, '-----BEGIN PUBLIC KEY-----' || x || '-----END PUBLIC KEY-----') FROM unnest(ARRAY[
	$$ || quote_literal(x) || $$]) AS x$$), ' | ', 1) FROM unnest(ARRAY[
	'', '!', repeat('A', 2000), 'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZg==', 'MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=']) AS x;

-- Tokens by id.
SELECT item, token = token('bank') FROM chat.get_tokens('{3,2,NULL,0}');

-- A ticket is used once, by its application, within its time.
SELECT chat.create_ticket(token('shop'), sha256('one'), 'content');
SELECT chat.use_ticket(token('bank'), sha256('one')), chat.use_ticket(token('shop'), sha256('two')), chat.use_ticket(token('shop'), NULL);
SELECT chat.use_ticket(token('shop'), sha256('one'));
SELECT chat.use_ticket(token('shop'), sha256('one'));
SELECT count(chat.create_ticket(token('shop'), sha256(n::text::bytea), 'content')) FROM generate_series(1, 10) AS n;
SELECT min(expires_at) > now() + interval '29 seconds', max(expires_at) < now() + interval '31 seconds' FROM chat_internal.tickets;
UPDATE chat_internal.tickets SET expires_at = now() - interval '1 second';
SELECT chat.use_ticket(token('shop'), sha256('1'));
SELECT count(chat.create_ticket(token('shop'), sha256(n::text::bytea), 'content')) FROM generate_series(11, 15) AS n;
SELECT count(*) FROM chat_internal.tickets;
SELECT error($$SELECT chat.create_ticket('x', '', '')$$);
SELECT error($$SELECT chat.create_ticket(token('shop'), NULL, '')$$);
SELECT error($$SELECT chat.use_ticket('x', '')$$);

-- The user that a session works for, in policies of one's own.
SELECT chat.current_user_name();
CREATE ROLE chat_test_user;
GRANT USAGE ON SCHEMA chat TO chat_test_user;
GRANT SELECT ON chat.applications TO chat_test_user;
ALTER TABLE chat.applications ENABLE ROW LEVEL SECURITY;
CREATE POLICY by_user ON chat.applications FOR SELECT USING (name = chat.current_user_name());
BEGIN;
SET LOCAL ROLE chat_test_user;
SELECT name FROM chat.applications;
SET LOCAL pg_chat.user_name = 'bank';
SELECT chat.current_user_name(), (SELECT string_agg(name, ' ') FROM chat.applications);
COMMIT;
SELECT chat.current_user_name();
DROP OWNED BY chat_test_user;
DROP ROLE chat_test_user;
