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
import time

PR_SET_CHILD_SUBREAPER = 36

# Seconds for a command whose time is over.
GRACE = 60

# As of timeout(1).
TIME_IS_OVER = 124


# What ends this process, which must not be interrupted anywhere: it waits for these, and for its children.
ENDING = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


class Interrupted(Exception):
    """By a signal."""


def wait_for(process, seconds):
    """Wait for a child to end, and meanwhile for others that become children. Returns its status, or None if the time is
    over. Raises Interrupted."""
    deadline = time.monotonic() + seconds
    while True:
        pid = None
        while pid != 0:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == process:
                return os.waitstatus_to_exitcode(status)
        signalled = signal.sigtimedwait(ENDING | {signal.SIGCHLD}, max(deadline - time.monotonic(), 0))
        if signalled is None:
            return None
        if signalled.si_signo in ENDING:
            raise Interrupted(signalled.si_signo)


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
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING | {signal.SIGCHLD})
    what = " ".join(command)
    process = os.posix_spawnp(command[0], command, os.environ, setsigmask=before)
    try:
        status = wait_for(process, int(seconds))
        if status is None:
            status = TIME_IS_OVER
            print("# not done after %s s: %s" % (seconds, what), file=sys.stderr, flush=True)
            os.kill(process, signal.SIGABRT)
            wait_for(process, GRACE)
    except Interrupted as interrupted:
        status = 128 + interrupted.args[0]
    left = kill_descendants()
    if left:
        print("# left by %s, and killed: %s" % (what, " ".join(left)), file=sys.stderr)
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
