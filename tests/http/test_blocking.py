"""Nothing blocks the loop: name servers, files and servers that are silent delay nobody but who needs them."""

import subprocess

import pytest

from conftest import CHATD, ENVIRONMENT, SANITIZED, TOP, wait_until


@pytest.fixture(scope="module")
def slow_library(tmp_path_factory):
    library = tmp_path_factory.mktemp("slow") / "slow.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, TOP / "tests/http/slow.c", "-ldl"], check=True)
    return library


@pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")
@pytest.mark.parametrize("function", ["getaddrinfo", "connect", "getpwuid_r", "fopen", "stat", "send"])
def test_a_slow_call(start_chatd, cluster, slow_library, tmp_path, function):
    """While sessions reconnect: the others serve, /healthz is 200, SIGTERM ends chatd."""
    slow, passwords = tmp_path / "slow", tmp_path / "passwords"
    passwords.write_text("*:*:*:*:unused\n")
    passwords.chmod(0o600)
    # Where nothing listens, then where the server does. Without HOME, libpq looks the user up.
    database = cluster.conninfo().replace("host=", "host=localhost,").replace(" user", " port=1,5432 user")
    server = start_chatd("--writers", "1", database=database + " application_name=slow passfile=%s" % passwords, prefix=[
        "env", "-u", "HOME", "LD_PRELOAD=%s" % slow_library, "SLOW=" + function, "SLOW_WHILE=%s" % slow]).ready()
    slow.write_text("")
    cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'slow' LIMIT 4")
    if function not in ("getpwuid_r", "send"):      # not every libpq, or configuration, has these called
        wait_until(slow.read_text, "a call that takes long")
    for _ in range(3):
        assert server.get("/healthz").status == 200
        assert server.get("/readyz").status in (200, 503)
    server.process.terminate()
    assert server.process.wait(10) == 0
    slow.unlink()


@pytest.mark.parametrize("database", [
    "host=nowhere.invalid,{directory} dbname=chat user=chat_api", "postgresql://chat_api@/chat?host=nowhere.invalid,{directory}",
    "postgresql://chat_api@/chat?host={directory}", "service=ours", "host={directory} hostaddr='' dbname=chat user=chat_api"])
def test_a_way_to_name_the_server(start_chatd, cluster, tmp_path, database):
    services = tmp_path / "services"
    services.write_text("[ours]\nhost=localhost,%s\nport=1,5432\ndbname=chat\nuser=chat_api\n" % cluster.directory)
    server = start_chatd(database=database.format(directory=cluster.directory), prefix=["env", "PGSERVICEFILE=%s" % services]).ready()
    assert server.get("/applications").status == 200


@pytest.mark.skipif(SANITIZED, reason="a sanitizer wants to be loaded first")
def test_a_parent_that_dies_early(cluster, slow_library):
    """No loop goes on without it, even if it dies before the loop can ask for a signal."""
    process = subprocess.Popen([CHATD, "--port", "0", "--loops", "2", "--database", cluster.conninfo()], text=True, stderr=subprocess.PIPE,
                               env={**ENVIRONMENT, "LD_PRELOAD": slow_library, "SLOW": "prctl"})
    # The end of its log: nobody is left who could write there.
    log = process.communicate(timeout=15)[1]
    assert " listening on " in log and process.returncode != 0
