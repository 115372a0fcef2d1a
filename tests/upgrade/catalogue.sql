-- catalogue.sql - everything that the catalogs know of the extension, without what differs from one
-- installation to the next: object identifiers, file numbers, statistics, what rows have that are older
-- than a column. A line for each property of
-- each object, "object | property | value", so that two catalogues compare line by line.
--
-- The objects are the extension's members and all that depends on these internally or automatically:
-- columns' defaults, constraints, indexes, triggers, rules, sequences, row types. Every column of their
-- catalogs' rows is compared, whatever the version of PostgreSQL adds; one that refers to an object by
-- its identifier, as pg_get_catalog_foreign_keys() knows, shows the object's name. Trees of nodes are
-- shown as the definition that they stand for.

-- A text without what differs: identifiers within names, and the versions of rows that PostgreSQL may
-- note as an option of columns.
CREATE FUNCTION pg_temp.settled(value text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(value, '(RI_ConstraintTrigger_[ac]|pg_toast|pg_attver)[_=]\d+', '\1', 'g')
$$;

-- The name of an object.
CREATE FUNCTION pg_temp.name_of(class oid, object oid, sub integer DEFAULT 0) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.settled(pg_describe_object(class, object, sub))
$$;

-- A row of a catalog, a line for each column.
CREATE FUNCTION pg_temp.columns(class regclass, row_of_class jsonb) RETURNS TABLE (property text, value text) LANGUAGE sql AS $$
	SELECT c.key,
		CASE
			WHEN f.is_array THEN
				(SELECT string_agg(coalesce(pg_temp.name_of(f.pktable, e.oid::oid), '-'), ', ' ORDER BY e.place)
					FROM regexp_split_to_table(c.value, '\D+') WITH ORDINALITY AS e (oid, place)
					WHERE e.oid <> '')
			WHEN f.pktable IS NOT NULL AND c.value ~ '^\d+$' THEN coalesce(pg_temp.name_of(f.pktable, c.value::oid), '-')
			WHEN c.key ~ 'acl$|^initprivs$' THEN (SELECT string_agg(a, ', ' ORDER BY a) FROM jsonb_array_elements_text(c.json) AS a)
			ELSE pg_temp.settled(c.value)
		END
	FROM (SELECT e.key, e.value AS json, row_of_class ->> e.key AS value FROM jsonb_each(row_of_class) AS e) AS c
	LEFT JOIN (SELECT DISTINCT ON (fkcols) fkcols, pktable, is_array FROM pg_get_catalog_foreign_keys()
		WHERE fktable = class AND pkcols = '{oid}') AS f ON f.fkcols = ARRAY[c.key] AND c.value IS NOT NULL
	WHERE c.json <> 'null'
		AND c.key NOT IN ('oid', 'objoid', 'attrelid', 'indexrelid', 'seqrelid', 'relfilenode', 'relpages', 'reltuples', 'relallvisible',
			'relallfrozen', 'relfrozenxid', 'relminmxid', 'reltoastrelid', 'indcheckxmin', 'attcacheoff', 'atthasmissing', 'attmissingval')
$$;

CREATE FUNCTION pg_temp.catalogue() RETURNS TABLE (object text, property text, value text) LANGUAGE plpgsql AS $$
DECLARE
	extension oid := (SELECT oid FROM pg_extension WHERE extname = 'pg_chat');
	class regclass;
BEGIN
	CREATE TEMP TABLE member ON COMMIT DROP AS
	WITH RECURSIVE m (classid, objid) AS (
		VALUES ('pg_extension'::regclass::oid, extension)
		UNION
		SELECT d.classid, d.objid FROM m JOIN pg_depend AS d ON (d.refclassid, d.refobjid) = (m.classid, m.objid)
		WHERE d.deptype IN ('e', 'i', 'a', 'P', 'S') AND (d.deptype = 'e' OR m.classid <> 'pg_extension'::regclass))
	SELECT m.classid, m.objid, pg_temp.name_of(m.classid, m.objid) AS name FROM m;

	-- Their rows.
	FOR class IN SELECT DISTINCT classid FROM member LOOP
		RETURN QUERY EXECUTE format('
			SELECT m.name, p.property, p.value
			FROM member AS m JOIN %1$s AS r ON r.oid = m.objid
			CROSS JOIN LATERAL pg_temp.columns(%1$L, to_jsonb(r) %2$s) AS p
			WHERE m.classid = %1$L::regclass', class,
			-- Without trees of nodes.
			(SELECT coalesce(string_agg(format('- %L', attname), ' '), '') FROM pg_attribute
				WHERE attrelid = class AND atttypid = 'pg_node_tree'::regtype));
	END LOOP;
	RETURN QUERY
	SELECT m.name, format('column %s: %s', a.attnum, p.property), p.value
	FROM member AS m JOIN pg_attribute AS a ON a.attrelid = m.objid AND a.attnum > 0
	CROSS JOIN LATERAL pg_temp.columns('pg_attribute', to_jsonb(a)) AS p
	WHERE m.classid = 'pg_class'::regclass;
	RETURN QUERY
	SELECT m.name, 'index: ' || p.property, p.value
	FROM member AS m JOIN pg_index AS i ON i.indexrelid = m.objid
	CROSS JOIN LATERAL pg_temp.columns('pg_index', to_jsonb(i) - 'indexprs' - 'indpred') AS p
	WHERE m.classid = 'pg_class'::regclass;
	RETURN QUERY
	SELECT m.name, 'sequence: ' || p.property, p.value
	FROM member AS m JOIN pg_sequence AS s ON s.seqrelid = m.objid
	CROSS JOIN LATERAL pg_temp.columns('pg_sequence', to_jsonb(s)) AS p
	WHERE m.classid = 'pg_class'::regclass;
	RETURN QUERY
	SELECT m.name, 'storage of its own', array_to_string(t.reloptions, ', ')
	FROM member AS m JOIN pg_class AS c ON c.oid = m.objid JOIN pg_class AS t ON t.oid = c.reltoastrelid
	WHERE m.classid = 'pg_class'::regclass;

	-- The SQL that trees of nodes stand for.
	RETURN QUERY
	SELECT m.name, 'definition', CASE m.classid
			WHEN 'pg_proc'::regclass THEN CASE WHEN (SELECT prokind FROM pg_proc WHERE oid = m.objid) <> 'a' THEN pg_get_functiondef(m.objid) END
			WHEN 'pg_constraint'::regclass THEN pg_get_constraintdef(m.objid)
			WHEN 'pg_trigger'::regclass THEN pg_temp.settled(pg_get_triggerdef(m.objid))
			WHEN 'pg_rewrite'::regclass THEN pg_get_ruledef(m.objid)
			WHEN 'pg_attrdef'::regclass THEN (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE oid = m.objid)
			WHEN 'pg_class'::regclass THEN (SELECT CASE WHEN relkind IN ('i', 'I') THEN pg_temp.settled(pg_get_indexdef(oid)) END FROM pg_class WHERE oid = m.objid)
		END
	FROM member AS m;

	-- Comments, rights as dumps take them for granted, dependencies.
	RETURN QUERY
	SELECT pg_temp.name_of(m.classid, m.objid, d.objsubid), 'comment', d.description
	FROM member AS m JOIN pg_description AS d ON (d.classoid, d.objoid) = (m.classid, m.objid);
	RETURN QUERY
	SELECT pg_temp.name_of(m.classid, m.objid, i.objsubid), p.property, p.value
	FROM member AS m JOIN pg_init_privs AS i ON (i.classoid, i.objoid) = (m.classid, m.objid)
	CROSS JOIN LATERAL pg_temp.columns('pg_init_privs', jsonb_build_object('initprivs', i.initprivs, 'privtype', i.privtype)) AS p;
	RETURN QUERY
	SELECT pg_temp.name_of(m.classid, m.objid, d.objsubid), format('depends (%s) on', d.deptype), pg_temp.name_of(d.refclassid, d.refobjid, d.refobjsubid)
	FROM member AS m JOIN pg_depend AS d ON (d.classid, d.objid) = (m.classid, m.objid);
	RETURN QUERY
	SELECT pg_temp.name_of(m.classid, m.objid, d.objsubid), format('depends (%s) on', d.deptype), pg_temp.name_of(d.refclassid, d.refobjid)
	FROM member AS m JOIN pg_shdepend AS d ON (d.classid, d.objid) = (m.classid, m.objid)
	WHERE d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database());
END $$;

BEGIN;
SELECT line
FROM pg_temp.catalogue() CROSS JOIN concat_ws(' | ', object, property, replace(value, E'\n', ' ')) AS line
WHERE value IS NOT NULL
ORDER BY line COLLATE "C";
COMMIT;
