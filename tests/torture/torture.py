"""Rounds of faults: real servers under load, a fault, and then the checks.

    torture.py --pg-config PG_CONFIG --chatd CHATD [--rounds N] [--seed S] [--faults NAME,...]

A line for each round, and "N passed, N failed" at the end. Every fault comes in its turn, in an order that the seed
decides, as it decides what else is random: the same seed makes the same faults, not the same interleaving. The seed
and the number of a round that failed repeat its faults alone: --first N --rounds 1.
"""

import argparse
import pathlib
import random
import shutil
import sys
import time

import checks
from faults import FAULTS, RARE, Faults
from load import Load
from world import FaultyWorld, wait_until

# A minute of the defaults takes a second here. Each segment of the WAL, which are small, is a new file, so that a full
# disk is noticed soon.
SETTINGS = {
    "pg_chat.reconcile_interval": "1s",
    "pg_chat.scrub_interval": "1min",
    "max_connections": 100,
    "max_prepared_transactions": 10,
    "max_wal_size": "32MB",
    "min_wal_size": "2MB",
    "wal_recycle": "off",
    "checkpoint_timeout": "30s",
    "autovacuum_naptime": "1s",
    "wal_retrieve_retry_interval": "100ms",
    "log_line_prefix": "%m [%p] %b: ",
    "log_statement": "none",
    "log_min_error_statement": "panic",
}

# Short timeouts, as the faults are short.
CHATD_FLAGS = ("--request-timeout", "5", "--statement-timeout", "3", "--write-timeout", "3")

# Messages acknowledged before a fault, and after it.
ENOUGH = 100

# Applications of earlier rounds that stay: whatever is compared is compared with all of these.
KEPT = 10

# Of so many rounds one has one of the rare faults; of so many one has two faults.
RARELY, TWICE = 40, 3


def faults_of_rounds(seed, names):
    """Yield the faults of each round, without end: all of them in turn, each time in another order."""
    common = [name for name in names if name not in RARE] or names
    rare = [name for name in names if name in RARE]
    rng = random.Random(seed)
    number = 0
    while True:
        for name in rng.sample(common, len(common)):
            number += 1
            chosen = [name]
            if rng.randrange(TWICE) == 0:
                chosen.append(rng.choice(common))
            if rare and number % RARELY == 0:
                chosen = [rng.choice(rare)]
            yield number, chosen


def acknowledged(load, count):
    """Wait until so many more messages are."""
    goal = len(load.acknowledged) + count
    try:
        wait_until(lambda: len(load.acknowledged) >= goal, "messages to be acknowledged", checks.MINUTE)
    except AssertionError:
        load.problem("writes do not go on: %d acknowledged, %d wanted" % (len(load.acknowledged), goal))


def delete_earlier(world, kept):
    """Applications of earlier rounds go, with all that is theirs."""
    world.sql("DELETE FROM chat.applications WHERE id NOT IN (SELECT id FROM chat.applications ORDER BY id DESC LIMIT %d)" % kept)


def play(world, number, names, seed):
    """One round. Returns its load, which has noted all problems."""
    rng = random.Random("%s/%d" % (seed, number))
    log = world.postgres.directory / "log"
    position = log.stat().st_size
    load = Load(world, number, rng)
    load.start()
    acknowledged(load, ENOUGH)
    faults = Faults(world, load, rng)
    for name in names:
        getattr(faults, name)()
    acknowledged(load, ENOUGH)
    load.stop()
    load.took = checks.check(world, load)
    checks.check_log(world, load, position if log == world.postgres.directory / "log" else 0)
    return load


def keep(world, number, logs):
    """Keep logs and files of a failure."""
    logs.mkdir(parents=True, exist_ok=True)
    shutil.copytree(world.directory / "journal" / str(number), logs / ("round-%d" % number), dirs_exist_ok=True)
    shutil.copy(world.postgres.directory / "log", logs / "postgres.log")
    (logs / "chatd.log").write_text(world.chatd.log())


def report(title, load, seconds):
    unknown = len(load.bodies) - len(load.acknowledged) - len(load.refused) - sum(change.body is not None for change in load.changes.values())
    print("%s: %d acknowledged, %d refused, %d unknown; mirror %.1f s, index %.1f s; %.1f s" % (
        title, len(load.acknowledged), len(load.refused), unknown, *load.took, seconds), flush=True)
    for problem in load.problems[:20]:
        print("FAILED %s: %s" % (title, problem), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pg-config", default="pg_config")
    parser.add_argument("--chatd", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--first", type=int, default=1, help="the round to begin with")
    parser.add_argument("--faults", default="", help="only these, with commas between them")
    parser.add_argument("--logs", type=pathlib.Path, default=pathlib.Path("log"), help="where what failed leaves its logs")
    options = parser.parse_args()
    names = options.faults.split(",") if options.faults else FAULTS
    failed = 0
    with FaultyWorld(options.pg_config, options.chatd, SETTINGS, CHATD_FLAGS, options.seed) as world:
        for number, chosen in faults_of_rounds(options.seed, names):
            if number < options.first:
                continue
            if number >= options.first + options.rounds:
                break
            began = time.monotonic()
            title = "round %d, %s" % (number, " and ".join(chosen))
            try:
                load = play(world, number, chosen, options.seed)
            except BaseException:
                print("FAILED %s: it came to no end" % title)
                keep(world, number, options.logs)
                raise
            report(title, load, time.monotonic() - began)
            if load.problems:
                failed += 1
                keep(world, number, options.logs)
            delete_earlier(world, 0 if load.problems else KEPT)
            shutil.rmtree(world.directory / "journal" / str(number))
    print("%d passed, %d failed" % (options.rounds - failed, failed))
    return failed > 0


sys.exit(main())
