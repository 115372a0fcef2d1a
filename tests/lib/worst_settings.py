"""Every setting that sessions may have of their own, at a value that could do harm."""

# In milliseconds, the shortest with which a session can get as far as chatd's own settings, on a busy machine, too, where
# it is slow: with all messages for debugging, and a parallel worker for each statement.
TIMEOUTS = {"idle_session_timeout": "5000", "transaction_timeout": "5000", "statement_timeout": "1000", "lock_timeout": "1",
            "idle_in_transaction_session_timeout": "1"}

# Not for a role, about the connection, what tests look at, refused by chatd, or asked for: whoever sets it wants no
# writes, or has no library found, as dynamic_library_path does from PostgreSQL 18 on.
LEFT = ("default_transaction_read_only", "transaction_read_only", "transaction_isolation", "transaction_deferrable", "role",
        "session_authorization", "is_superuser", "local_preload_libraries", "session_preload_libraries", "client_encoding", "server_encoding",
        "seed", "tcp_user_timeout", "track_activities", "session_replication_role", "dynamic_library_path")

# What is neither the least nor the most that is allowed, and does the most harm: of text, of what -1 or 0 turns off.
WORST = {"search_path": "nowhere", "default_tablespace": "", "temp_tablespaces": "", "DateStyle": "SQL, DMY", "TimeZone": "Asia/Kathmandu",
         "temp_file_limit": "0", "default_table_access_method": "nothing", "default_text_search_config": "pg_catalog.german", "lc_numeric": "C",
         "createrole_self_grant": "set, inherit", "restrict_nonsystem_relation_kind": "view, foreign-table",
         "extension_control_path": "/nowhere", "wal_consistency_checking": "all", "log_connections": "all", "backtrace_functions": "errfinish",
         "timezone_abbreviations": "Australia", "log_min_duration_statement": "0", "log_statement_sample_rate": "1"}

VALUES = {
    "smallest": "CASE vartype WHEN 'bool' THEN 'off' WHEN 'enum' THEN enumvals[1] ELSE min_val END",
    "largest": "CASE vartype WHEN 'bool' THEN 'on' WHEN 'enum' THEN enumvals[array_length(enumvals, 1)] ELSE max_val END",
    "opposite": "CASE WHEN vartype = 'bool' THEN CASE boot_val WHEN 'on' THEN 'off' ELSE 'on' END"
                " WHEN vartype = 'enum' AND boot_val = enumvals[1] THEN enumvals[2] WHEN vartype = 'enum' THEN enumvals[1] END",
}


def set_all(cluster, whom, value):
    """Have the sessions of a role or a database begin with one of VALUES; how many settings that are."""
    worst = ", ".join("('%s', '%s')" % pair for pair in [*(WORST.items() if value == "opposite" else ()), *TIMEOUTS.items()])
    cluster.sql("""
        SET client_min_messages = error;
        DO $$
        DECLARE
            setting record;
        BEGIN
            FOR setting IN
                SELECT s.name, coalesce(w.value, %s) AS value FROM pg_settings AS s LEFT JOIN (VALUES %s) AS w (name, value) ON w.name = s.name
                WHERE context IN ('user', 'superuser') AND s.name NOT LIKE 'pg\\_chat.%%' AND s.name <> ALL (ARRAY['%s'])
            LOOP
                BEGIN
                    EXECUTE format('ALTER %s SET %%I = %%L', setting.name, coalesce(setting.value, ''));
                EXCEPTION WHEN OTHERS THEN
                    NULL;       -- no value that it may have in this server
                END;
            END LOOP;
        END $$""" % (VALUES[value], worst, "', '".join(LEFT), whom), "postgres")
    return int(cluster.sql("SELECT sum(cardinality(setconfig)) FROM pg_db_role_setting", "postgres"))
