"""The loader of a log of real chat, in both of its modes."""

import gzip
import itertools
import subprocess
import sys

import pytest

from conftest import TOP
from test_import import allowed     # pylint: disable=unused-import


@pytest.mark.parametrize("mode", [[], ["import"]])
def test_load(chatd, cluster, tmp_path, mode):
    log = tmp_path / "log.tsv"
    with gzip.open(TOP / "tests/data/ubuntu-irc.tsv.gz", "rt", encoding="utf-8") as lines:
        log.write_text("".join(itertools.islice(lines, 0, 20000, 10)), encoding="utf-8")
    loaded = subprocess.run([sys.executable, TOP / "tests/load/load.py", log, chatd.url, *mode], capture_output=True, text=True, check=False)
    assert loaded.returncode == 0 and "read back equal what was sent" in loaded.stdout, loaded
    times = cluster.sql("SELECT count(*), count(DISTINCT created_at::date) = count(DISTINCT chat_number) AND max(created_at) < '2019-01-01'"
                        " FROM chat.messages WHERE application_id = (SELECT max(id) FROM chat.applications)")
    assert times == "2000|%s" % ("t" if mode else "f")
