"""PgBouncer between chatd and the database."""

import re
import shutil
import subprocess

import pytest

from conftest import wait_until


@pytest.fixture
def pgbouncer(cluster, tmp_path, request):
    """The connection string of a PgBouncer in some mode."""
    (tmp_path / "users").write_text('"chat_api" ""\n')
    (tmp_path / "ini").write_text("[databases]\nchat = host=%s dbname=chat\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = %s\n"
                                  "auth_type = trust\nauth_file = %s/users\npool_mode = %s\nlisten_port = 6432\n"
                                  % (cluster.directory, tmp_path, tmp_path, request.param))
    process = subprocess.Popen([shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", tmp_path / "ini"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wait_until((tmp_path / ".s.PGSQL.6432").exists, "pgbouncer")
    yield "host=%s port=6432 dbname=chat user=chat_api" % tmp_path
    process.kill()
    process.wait()


has_pgbouncer = pytest.mark.skipif(shutil.which("pgbouncer") is None and shutil.which("/usr/sbin/pgbouncer") is None, reason="there is no pgbouncer")


@has_pgbouncer
@pytest.mark.parametrize("pgbouncer", ["session", "transaction"], indirect=True)
def test_pgbouncer(start_chatd, messages, pgbouncer, request):
    """Works, or /readyz says why not and stays with that."""
    server = start_chatd(database=pgbouncer)
    if "transaction" in request.node.name:
        wait_until(lambda: "transaction mode" in server.get("/readyz").json.get("error", ""), "the reason")
        assert server.get("/readyz").status == 503
        return
    server.ready()
    for number in range(1, 30):
        assert server.post(messages, {"body": "x"}).json["number"] == number
        assert len(server.get(messages).json) == number


@has_pgbouncer
@pytest.mark.parametrize("pgbouncer", ["transaction"], indirect=True)
def test_pgbouncer_of_standbys(start_chatd, messages, pgbouncer):
    """One that cannot be used costs the sessions with the primary nothing, which answers reads then."""
    server = start_chatd("--database-read", pgbouncer + " target_session_attrs=any").ready()
    wait_until(lambda: "transaction mode" in server.get("/readyz").json["standby"], "the reason")
    assert server.post(messages, {"body": "x"}).status == 201
    assert [message["body"] for message in server.get(messages).json] == ["x"]
    assert re.search(r'^chatd_database_disconnections_total{pool="write"} 0$', server.get("/metrics").body.decode(), re.M)
