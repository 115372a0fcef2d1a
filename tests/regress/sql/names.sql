\i setup.sql

-- Names are unique without regard to letter case, in every script.
CREATE FUNCTION test.clash(a text, b text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM chat.create_application(a);
	RETURN format('%s %s: %s', a, b, split_part(error(format('SELECT chat.create_application(%L)', b)), ' | ', 1));
END $$;
SELECT clash('Shop', 'sHOP');
SELECT clash('ΟΔΥΣΣΕΥΣ', 'οδυσσευς');
SELECT clash('σοφος', 'σοφοσ');
SELECT clash('Москва', 'МОСКВА');
SELECT clash('Straße', 'STRASSE');
SELECT clash('GROẞ', 'groß');
SELECT clash('ÉCOLE', 'école');
SELECT clash('Ǆungla', 'ǆungla');
SELECT clash('ՀԱՅ', 'հայ');
SELECT clash('𐐀𐐁', '𐐨𐐩');
SELECT clash('ﬁn', 'FIN');
SELECT clash('KELVIN', 'Kelvin');
SELECT clash('İzmir', E'i̇zmir');

-- Names that only look alike are different: accents, dots, widths, compositions.
SELECT clash('resume', 'résumé');
SELECT clash('Istanbul', 'İSTANBUL');
SELECT clash('ısı', 'isi');
SELECT clash('ёлка', 'елка');
SELECT clash('abc', 'ａｂｃ');
SELECT clash('o', 'о');
SELECT clash(E'\u00e4', E'a\u0308');
SELECT clash('か', 'が');

-- Full-width letters have a case too.
SELECT clash('ＸＹ', 'ｘｙ');

-- A name of white space only, in any script, is blank.
SELECT to_hex(space), split_part(error(format('SELECT chat.create_application(%L)', chr(space))), ' | ', 2)
FROM unnest(ARRAY[9, 10, 11, 12, 13, 32, 133, 160, 5760, 8192, 8202, 8232, 8233, 8239, 8287, 12288]) AS space;
SELECT error($$SELECT chat.create_application(E'\u3000 \u00a0\t\u2003')$$);

-- Invisible, but not white space: a name.
SELECT to_hex(sign), (chat.create_application(chr(sign))).id > 0
FROM unnest(ARRAY[8203, 8205, 8206, 65279]) AS sign;
SELECT id > 0 FROM chat.create_application(E'\u00a0a');
