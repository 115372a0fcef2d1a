"""docker/step.sh: what it shows of a command, and what it keeps."""

import subprocess


def step(clone, script):
    return subprocess.run([clone / "docker/step.sh", "name", "Doing it", "sh", "-c", script], text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_success(clone):
    done = step(clone, "echo much; echo warning >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "warning\n")
    assert sorted((clone / "build/log/name.log").read_text().split()) == ["much", "warning"]


def test_failure(clone):
    done = step(clone, "echo the reason; exit 7")
    assert done.returncode == 7
    assert done.stderr == "the reason\nDoing it failed; everything it said is in build/log/name.log\n"
