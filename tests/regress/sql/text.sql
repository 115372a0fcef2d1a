\i setup.sql
-- Folding: full, in every script; accents, widths and dots stay.
SELECT text, chat.fold(text) FROM unnest(ARRAY['', 'abc XYZ @[`{ 019', 'ΣΊΣΥΦΟΣ ς', 'ЁЖИК', 'Straße ẞ', 'İI ıi', 'ÀÉÎÕÜ', 'ŉ', 'ﬀ ﬃ',
	'ＡＢＣ', 'Ⅷ Ⓐ', 'ᏣᎳᎩ ꮳꮃꭹ', 'ǅ ǆ', 'K Å Ω', 'µ', '𐐀', 'ΐ', '日本語 עברית हिन्दी', '👍🏽']) AS text;
SELECT chat.fold(NULL) IS NULL, chat.contains(NULL, 'x') IS NULL, chat.contains('x', NULL) IS NULL;

-- Folding again changes nothing.
SELECT count(*) FROM generate_series(1, 200000) AS c WHERE c NOT BETWEEN 55296 AND 57343 AND chat.fold(chat.fold(chr(c))) <> chat.fold(chr(c));
-- The two cases of a letter fold to the same, in these scripts.
SELECT count(*), string_agg(small || large, ' ') FILTER (WHERE chat.fold(small) <> chat.fold(large))
FROM unnest(string_to_array('a z é ÿ ŵ ǆ ə σ ς ω ώ я ё ѣ ӂ ծ ა ꮳ ⴀ ɓ ⱥ 𐐨 𞤢 ß', ' '), string_to_array('A Z É Ÿ Ŵ Ǆ Ə Σ Σ Ω Ώ Я Ё Ѣ Ӂ Ծ Ა Ꮳ Ⴀ Ɓ Ⱥ 𐐀 𞤀 ẞ', ' ')) AS letter (small, large);

-- contains is position in the folded texts, on every pair of these.
CREATE TEMPORARY TABLE texts (value text);
INSERT INTO texts SELECT unnest(ARRAY['', 'a', 'A', 'ab', 'aB', 'ba', 'aab', 'AAAB', 'hello world', 'LLO W', 'ß', 'SS', 's', 'ẞ', 'ς', 'σ', 'Σ',
	'ΟΔΟΣ', 'οδος', 'я', 'Я', 'İ', 'i', E'i\u0307', 'ı', 'I', 'é', 'e', E'e\u0301', '%', '_', '\', '*', '100%', 'ＡＢ', 'ａ', '日本', '本', '𐐀', '𐐨', 'ﬁ', 'fi', 'F',
	repeat('ab', 1000), repeat('ab', 1000) || 'C', 'abc']);
SELECT count(*), count(*) FILTER (WHERE chat.contains(b.value, q.value)),
	count(*) FILTER (WHERE chat.contains(b.value, q.value) <> (position(chat.fold(q.value) IN chat.fold(b.value)) > 0))
FROM texts AS b, texts AS q;

-- The query may change from row to row.
SELECT string_agg(chat.contains(body, query)::text, ' ' ORDER BY i)
FROM (VALUES (1, 'Hello', 'LL'), (2, 'Hello', 'xx'), (3, 'Hello', 'He'), (4, 'Straße', 'SS'), (5, 'Hello', 'HELLO!')) AS v (i, body, query);

-- Search is literal and finds inside words.
SELECT id FROM chat.create_application('shop');
SELECT chat.create_chat(id('shop')), chat.create_chat(id('shop'));
SELECT count(*) FROM unnest(ARRAY['Hello World', 'sales up 100%', 'snake_case', 'back\slash', 'star * star', $$it's "quoted"$$, 'a & b | !c',
	'Straße', 'ΟΔΥΣΣΕΥΣ', 'ЁЖИК в тумане', 'résumé', 'İstanbul', E'two\nlines', 'C:\new\temp', '/x{9999}/', 'a:b OR c', '日本語', E'\\x41', '(.*)?[a-z]+', '$1', '👍🏽']) AS body,
	chat.create_message(token('shop'), 1, body);
SELECT chat.create_message(token('shop'), 2, 'Hello from elsewhere');
CREATE FUNCTION test.found(query text) RETURNS text LANGUAGE sql AS $$
	SELECT query || ' -> ' || coalesce((SELECT string_agg(body, ' ; ') FROM chat.search_messages(token('shop'), 1, query)), '')
	|| CASE WHEN ARRAY(SELECT number FROM chat.search_messages(id('shop'), 1, query)) = ARRAY(
		SELECT number FROM chat.messages WHERE application_id = id('shop') AND chat_number = 1
		AND position(chat.fold(query) IN chat.fold(body)) > 0 ORDER BY number) THEN '' ELSE ' (differs)' END $$;
SELECT found(query) FROM unnest(ARRAY['ell', 'HELLO w', '%', '_', '\', '\\', '*', '''', '"', '&', '|', 'strasse', 'STRASSE', 'οδυσσευς', 'ёж', 'ЕЖ', 'resume', 'RÉSUMÉ',
	'istanbul', E'i\u0307stanbul', E'\n', '\n', '/x{9999}/', 'a:b', 'OR', '本', 'x41', '.*', '$1', '👍', ' ', 'nowhere', '100%', 'o w', 'Hello World!']) AS query;
SELECT number, body, created_at <= clock_timestamp() FROM chat.search_messages(id('shop'), 2, 'HELLO');
SELECT * FROM chat.search_messages(token('shop'), 1, repeat('x', 10000));
SELECT error($$SELECT chat.search_messages(id('shop'), 1, '')$$);
SELECT error($$SELECT chat.search_messages(token('shop'), 1, NULL)$$);
