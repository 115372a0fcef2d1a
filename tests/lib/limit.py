#!/usr/bin/python3
"""Run a command for a limited time, and let nothing that it started outlive it.

    limit.py SECONDS COMMAND [ARGUMENT...]

If the time is over, standard error says so, and the command is sent SIGABRT, for it to say where it is and to stop its
servers. A minute later, or when it has ended by itself, whatever it has left is killed, so that nobody waits for the end
of a pipe that a forgotten process holds. The status is the command's, or 124 if the time was over.

What the command left is found, whatever session or process group it is in: its parents gone, it becomes a child of
this process (prctl(2), PR_SET_CHILD_SUBREAPER).
"""

import contextlib
import ctypes
import os
import pathlib
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36

# Seconds for a command whose time is over.
GRACE = 60

# As of timeout(1).
TIME_IS_OVER = 124


class TimeIsOver(Exception):
    pass


class Ended(Exception):
    """By a signal to this process."""


def raiser(exception):
    def handler(number, _):
        raise exception(number)
    return handler


def wait_for(process, seconds):
    """Wait for a child to end, whose status is returned, and meanwhile for others that become children."""
    signal.alarm(seconds)
    try:
        while True:
            pid, status = os.waitpid(-1, 0)
            if pid == process:
                return os.waitstatus_to_exitcode(status)
    finally:
        signal.alarm(0)


def descendants():
    """The processes that descend from this one, by pid: their names."""
    children = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            name, _, rest = (folder / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
        except OSError:
            continue            # it has ended
        state, parent = rest.split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append((int(folder.name), name))
    found = []
    parents = [os.getpid()]
    while parents:
        processes = children.get(parents.pop(), [])
        found += processes
        parents += [pid for pid, _ in processes]
    return dict(found)


def kill_descendants():
    """Kill them, until there are none. Returns the names of those that there were at first."""
    names = sorted(descendants().values())
    try:
        while True:
            for pid in descendants():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)
    except ChildProcessError:
        return names


def main(seconds, command):
    """Returns the status."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGALRM, raiser(TimeIsOver))
    for number in signal.SIGHUP, signal.SIGINT, signal.SIGTERM:
        signal.signal(number, raiser(Ended))
    what = " ".join(command)
    process = os.posix_spawnp(command[0], command, os.environ)
    try:
        status = wait_for(process, int(seconds))
    except Ended as ended:
        status = 128 + ended.args[0]
    except TimeIsOver:
        status = TIME_IS_OVER
        print("# not done after %s s: %s" % (seconds, what), file=sys.stderr, flush=True)
        os.kill(process, signal.SIGABRT)
        try:
            wait_for(process, GRACE)
        except TimeIsOver:
            pass
    left = kill_descendants()
    if left:
        print("# left by %s, and killed: %s" % (what, " ".join(left)), file=sys.stderr)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
