"""docker/packages.sh, on a machine that is made up: apt-get, apt-cache and dpkg-query are scripts."""

import os
import shutil
import subprocess

import pytest

from conftest import TOP

SCRIPTS = {
    "id": "echo 0",
    "chown": ":",
    "dpkg-query": r"""
        for package; do :; done
        case "$*" in
            *source:Package*) printf 'installed postgresql-15 15.18\ninstalled curl 7.14\n' ;;
            *) [ -z "$ALL" ] || case $package in postgresql-server-dev*) exit 1 ;; *) echo "installed 15.18" && exit ;; esac
                case " postgresql-15 libcurl4 " in *" $package "*) echo "installed 15.18" ;; *) exit 1 ;; esac ;;
        esac""",
    "apt-cache": r"""
        case "$1 $2" in
            depends*) echo "  Depends: postgresql-15" ;;
            show*) shift 2; for package; do printf 'Package: %s\n' "$package"
                case $package in libpq-dev) echo "Source: postgresql-15" ;; libcurl*) echo "Source: curl" ;; esac
                echo; done ;;
            madison*) case $2 in libpq-dev) printf '%s | 15.20 | there\n%s | 15.18 | there\n' "$2" "$2" ;; *) echo "$2 | 9 | there" ;; esac ;;
        esac""",
    # Without a version, libpq-dev takes the server along; libcurl4-openssl-dev takes libcurl4, come what may.
    "apt-get": r"""
        echo "$*" >>"$CALLS"
        case "$*" in
            *" -s "*)
                echo "Inst gcc (12 Debian [amd64])"
                case "$*" in
                    *libpq-dev=15.18*) echo "Inst libpq-dev (15.18 Debian [amd64])" ;;
                    *) echo "Inst postgresql-15 [15.18] (15.20 Debian [amd64]) []"; echo "Inst libpq-dev (15.20 Debian [amd64])" ;;
                esac
                [ -z "$CURL" ] || { echo "Inst libcurl4 [7.14] (7.15 Debian [amd64])"; echo "Inst libcurl4-openssl-dev (7.15 Debian [amd64])"; } ;;
            *download*) echo "E: Version not found" >&2; exit 100 ;;
        esac""",
    "pg_config": r"""
        [ -n "$ALL" ] || exit 1
        case $1 in --version) echo "PostgreSQL 15.18" ;; --bindir) echo /usr/lib/postgresql/15/bin ;; esac""",
}


@pytest.fixture
def packages(tmp_path):
    """Runs packages.sh for a group there. Returns what it said, and the calls of apt-get."""
    def call(*groups, **settings):
        (tmp_path / "bin").mkdir()
        for name, text in SCRIPTS.items():
            script = tmp_path / "bin" / name
            script.write_text("#!/bin/bash\n" + text + "\n")
            script.chmod(0o755)
        calls = tmp_path / "calls"
        calls.touch()
        environment = {"PATH": "%s:/usr/bin:/bin" % (tmp_path / "bin"), "CALLS": str(calls), "CURL": "", "ALL": "", **settings}
        shutil.copytree(TOP / "docker", tmp_path / "docker")
        run = subprocess.run([tmp_path / "docker/packages.sh", *groups], env=environment, text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return run.returncode, run.stdout, calls.read_text().splitlines()
    return call


def test_postgresql_that_is_there_is_not_upgraded(packages):
    """libpq-dev is taken in the version of the server."""
    _, said, calls = packages("build")
    assert "would have to be upgraded" not in said
    assert "libpq-dev=15.18" in [call for call in calls if " -s " in call][-1]


def test_upgrade_that_cannot_be_avoided(packages):
    status, said, calls = packages("build", CURL="yes")
    assert status == 1
    assert "libcurl4 7.14 -> 7.15" in said and "postgresql-15 15" not in said
    assert "sudo apt-get install --only-upgrade libcurl4\n" in said
    assert all(" -s " in call or call.startswith("update") for call in calls)


def test_headers_in_another_version_are_not_taken(packages):
    status, said, calls = packages("build", ALL="yes")
    assert status == 1
    assert "PostgreSQL 15.18 is installed, and its headers cannot be had" in said
    assert "sudo apt-get install --only-upgrade postgresql-15\n" in said
    assert not [call for call in calls if "install" in call]


@pytest.mark.parametrize("pg_config", ("/nonexistent/pg_config", "/bin/true"))
def test_pg_config_that_is_none(packages, pg_config):
    status, said, calls = packages("build", PG_CONFIG=pg_config)
    assert status == 1 and said.startswith("PG_CONFIG=%s: " % pg_config) and not calls


def test_tests_without_a_search_engine_want_no_java():
    def groups(*arguments):
        plan = subprocess.check_output(["make", "-n", "-o", "all", *arguments], cwd=TOP, text=True, env={"PATH": os.environ["PATH"]})
        return " ".join(line for line in plan.splitlines() if "packages.sh" in line).split()

    for target in ("test-regress", "test-isolation", "test-http", "test-commands"):
        assert "test" in groups(target) and "engine" not in groups(target)
    assert "engine" not in groups("bench", "ONLY=get")
    for arguments in (("bench",), ("bench", "ONLY=get search"), ("test-tap",), ("torture",), ("soak",), ("test",)):
        assert "engine" in groups(*arguments)
