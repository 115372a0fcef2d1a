-- A copy of messages that knows nothing but what chat.list_changes tells: the tests compare it with the table.

CREATE TABLE test.positions (application integer, chat integer, number integer NOT NULL DEFAULT 0, revision integer NOT NULL DEFAULT 0, PRIMARY KEY (application, chat));
CREATE TABLE test.copies (application integer, chat integer, number integer, body text, created_at timestamptz, sender text, metadata jsonb,
	edited_at timestamptz, deleted_at timestamptz, revision integer, PRIMARY KEY (application, chat, number));

-- Have the copy of a chat follow, in pages of this size; returns what it was told.
CREATE FUNCTION test.follow(app integer, chat_number integer, page integer DEFAULT 3) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	seen test.positions;
	change chat.change;
	told integer;
BEGIN
	INSERT INTO test.positions (application, chat) VALUES (app, chat_number) ON CONFLICT DO NOTHING;
	LOOP
		SELECT * INTO seen FROM test.positions WHERE (application, chat) = (app, chat_number);
		told := 0;
		FOR change IN SELECT * FROM chat.list_changes(app, chat_number, seen.number, seen.revision, page) LOOP
			told := told + 1;
			DELETE FROM test.copies WHERE (application, chat, number) = (app, chat_number, change.number);
			-- Of one that is gone there is no time.
			IF change.created_at IS NOT NULL THEN
				INSERT INTO test.copies VALUES (app, chat_number, change.number, change.body, change.created_at, change.sender, change.metadata,
					change.edited_at, change.deleted_at, change.revision);
			END IF;
			UPDATE test.positions SET number = split_part(change.position, '.', 1)::integer, revision = split_part(change.position, '.', 2)::integer
				WHERE (application, chat) = (app, chat_number);
			RETURN NEXT concat_ws(' ', change.position, change.event, change.number, change.body);
		END LOOP;
		EXIT WHEN told < page;
	END LOOP;
END $$;

-- How the copy and the table differ: no row if all is well.
CREATE FUNCTION test.copy_differs(app integer, chat_number integer) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT CASE WHEN m IS NULL THEN 'surplus ' ELSE 'differs ' END || coalesce(m::text, '') || coalesce(c::text, '')
	FROM (SELECT application_id, chat_number, number, body, created_at, sender, metadata, edited_at, deleted_at, revision
		FROM chat.messages AS s WHERE application_id = app AND s.chat_number = copy_differs.chat_number) AS m
	FULL JOIN (SELECT * FROM test.copies WHERE application = app AND chat = copy_differs.chat_number) AS c USING (number)
	WHERE m::text IS DISTINCT FROM c::text $$;

-- Follow, tell what was told, and what differs then.
CREATE FUNCTION test.followed(app integer, chat_number integer, page integer DEFAULT 3) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT test.follow(app, chat_number, page) UNION ALL SELECT test.copy_differs(app, chat_number) $$;
