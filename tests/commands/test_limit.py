"""lib/limit.py: a command that hangs ends, says where it is, and leaves nothing behind."""

import pathlib
import signal
import subprocess
import sys

LIMIT = pathlib.Path(__file__).resolve().parents[1] / "lib/limit.py"

# A process that holds the output, in a session of its own, which ignores what can be ignored.
DAEMON = "setsid sh -c \"trap '' ABRT TERM HUP; echo begun; while :; do sleep 60; done\" & "


def limit(seconds, *command):
    """Its status and what it said. That this returns at all shows that nobody holds the output any more."""
    done = subprocess.run([LIMIT, str(seconds), *command], text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def test_status():
    assert limit(60, "sh", "-c", "echo said; exit 7") == (7, "said\n")
    assert limit(60, "sh", "-c", "kill -9 $$") == (128 + signal.SIGKILL, "")


def test_daemon_that_was_left():
    status, said = limit(60, "sh", "-c", DAEMON)
    assert status == 0
    assert "left by sh -c" in said and " and killed: s" in said


def test_time_is_over():
    status, said = limit(5, sys.executable, "-X", "faulthandler", "-c",
                         "import subprocess\ndef hang(): subprocess.run(['sh', '-c', 'sleep 60'])\nhang()")
    assert status == 124
    assert "# not done after 5 s: " in said and "in hang" in said
    assert said.endswith(" sleep\n")


def test_interrupted():
    with subprocess.Popen([LIMIT, "60", "sh", "-c", DAEMON + "wait"], text=True, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        assert process.stdout.read() == ""
        assert process.wait() == 128 + signal.SIGTERM
