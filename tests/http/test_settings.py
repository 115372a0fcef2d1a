"""Settings that the role or the database brings change nothing that a client sees."""

import pytest

from conftest import CREATED_AT, wait_until

# In milliseconds, the shortest with which a session can get as far as chatd's own settings.
TIMEOUTS = {"idle_session_timeout": "500", "transaction_timeout": "500", "statement_timeout": "20", "lock_timeout": "1",
            "idle_in_transaction_session_timeout": "1"}

# Not for a role, about the connection, what this test looks at, tried below, or asked for: whoever sets it wants no writes.
LEFT = ("default_transaction_read_only", "transaction_read_only", "transaction_isolation", "transaction_deferrable", "role",
        "session_authorization", "is_superuser", "local_preload_libraries", "session_preload_libraries", "client_encoding", "server_encoding",
        "seed", "tcp_user_timeout", "track_activities", "session_replication_role")

# What is neither the least nor the most that is allowed, and does the most harm: of text, of what -1 or 0 turns off.
WORST = {"search_path": "nowhere", "default_tablespace": "", "temp_tablespaces": "", "DateStyle": "SQL, DMY", "TimeZone": "Asia/Kathmandu",
         "temp_file_limit": "0", "default_table_access_method": "nothing", "default_text_search_config": "pg_catalog.german", "lc_numeric": "C",
         "createrole_self_grant": "set, inherit", "restrict_nonsystem_relation_kind": "view, foreign-table", "dynamic_library_path": "/nowhere",
         "extension_control_path": "/nowhere", "wal_consistency_checking": "all", "log_connections": "all", "backtrace_functions": "errfinish",
         "timezone_abbreviations": "Australia", "log_min_duration_statement": "0", "log_statement_sample_rate": "1"}

VALUES = {
    "smallest": "CASE vartype WHEN 'bool' THEN 'off' WHEN 'enum' THEN enumvals[1] ELSE min_val END",
    "largest": "CASE vartype WHEN 'bool' THEN 'on' WHEN 'enum' THEN enumvals[array_length(enumvals, 1)] ELSE max_val END",
    "opposite": "CASE WHEN vartype = 'bool' THEN CASE boot_val WHEN 'on' THEN 'off' ELSE 'on' END"
                " WHEN vartype = 'enum' AND boot_val = enumvals[1] THEN enumvals[2] WHEN vartype = 'enum' THEN enumvals[1] END",
}


@pytest.fixture
def reset_role(cluster):
    yield
    cluster.sql("ALTER ROLE chat_api RESET ALL")


def set_all(cluster, whom, value):
    """Set each setting that sessions may have of their own for a role or a database; how many were set."""
    worst = ", ".join("('%s', '%s')" % pair for pair in [*(WORST.items() if value == "opposite" else ()), *TIMEOUTS.items()])
    cluster.sql("""
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
        END $$""" % (VALUES[value], worst, "', '".join(LEFT), whom))
    return int(cluster.sql("SELECT sum(cardinality(setconfig)) FROM pg_db_role_setting"))


def converse(server, name):
    """The responses to all kinds of requests, without values that differ each time."""
    token = server.post("/applications", {"name": name}).json["token"]
    chats = "/applications/%s/chats" % token
    messages = chats + "/1/messages"
    answers = [server.post(chats), server.post(chats, {"number": 1}), server.post(messages, {"body": "Gr\u00fc\u00dfe"}),
               server.post(messages, {"body": "x", "number": 1}), server.post(messages, {"body": ""}),
               server.post(messages, {"body": "x" * 70000})]
    answers += [server.get(path) for path in (chats, messages, messages + "?last=1", messages + "/1", messages + "/2", messages + "?before=2",
                                              messages + "/search?query=GR", "/applications/%s/messages/search?query=gr" % token,
                                              "/applications/%s" % token, "/applications?limit=0", "/applications/x")]
    return [(answer.status, CREATED_AT.sub(b" and a time", answer.body).replace(token.encode(), b"").replace(name.encode(), b"")) for answer in answers]


@pytest.mark.parametrize("value", VALUES)
def test_settings_of_the_role(chatd, start_chatd, cluster, reset_role, new_name, value):
    expected = converse(chatd, new_name + " before")
    assert set_all(cluster, "ROLE chat_api", value) > 40
    server = start_chatd().ready()
    assert converse(server, new_name + " after") == expected
    # Longer than any of the timeouts, nothing happens, and the sessions are there all the same.
    pids = "SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'chatd'"
    before = cluster.sql(pids)
    wait_until(lambda: cluster.sql("SELECT min(now() - state_change) > interval '1 s' FROM pg_stat_activity"
                                   " WHERE application_name = 'chatd' AND usename = 'chat_api'") == "t", "idle sessions")
    assert cluster.sql(pids) == before and "lost" not in server.log()


def test_a_database_that_is_read_only(start_chatd, cluster, reset_role, chatd, messages, new_name):
    """With it set, writes are refused, and lists are answered."""
    cluster.sql("ALTER ROLE chat_api SET default_transaction_read_only = on")
    server = start_chatd().ready()
    for path, data in ((messages, {"body": "x"}), ("/applications", {"name": new_name + "!"})):
        answer = server.post(path, data)
        assert answer.status == 503 and answer.json == {"error": "The database is read-only."} and answer.headers["retry-after"] == "1"
        server.ready()
    assert server.get(messages).json == []
    cluster.sql("ALTER ROLE chat_api RESET default_transaction_read_only")
    wait_until(lambda: server.post(messages, {"body": "y"}).status == 201, "writes")


def test_triggers_that_would_not_fire(start_chatd, cluster, reset_role):
    cluster.sql("ALTER ROLE chat_api SET session_replication_role = replica")
    server = start_chatd()
    wait_until(lambda: "session_replication_role" in server.get("/readyz").json.get("error", ""), "the reason")
