"""The lines of searches: what they gain by Elasticsearch, or by pg_trgm's index."""

import json
import statistics
import subprocess
import sys
import time

import elastic
from measuring import Title, row
from processes import wait_for
from searched import IN_SYNC_WITHIN, RARE, searched, thousands

QUERIES = {"no hit": "qxzjqvk", "rare": RARE, "frequent": "ubuntu"}
LIMIT = 100

# The candidates that es_query.c asks for at first, for so many messages.
CANDIDATES = LIMIT + LIMIT // 8 + 10

# A transaction with one snapshot is answered by PostgreSQL alone.
ALONE = "-c default_transaction_isolation=repeatable\\ read"


class Scope:
    """The scope of a search: a chat, or an application with its chats."""

    def __init__(self, name, call):
        self.name, self.call = name, call

    def sql(self, query):
        return "SELECT * FROM %s" % self.call % query


def scopes(search):
    sizes = search.whole_rooms()
    search.whole_log()
    return [*(Scope("a chat of %s" % thousands(size), "chat.search_messages(%s, %d, '%%s')" % (search.rooms, room))
              for room, size in enumerate(sizes, 1)),
            Scope("an application of %s" % thousands(search.million), "chat.search_application(%s, '%%s')" % search.log)]


def median_ms(search, scope, query, settings=""):
    """A search from one session, again and again."""
    seconds = max(1, search.seconds // 4)
    return search.pgbench(scope.sql(query) + ";\n", 1, clients=1, seconds=seconds, logged=1, settings=settings).p50_ms


def explain(search, scope, query, settings=""):
    """How many messages a search finds, and how it says that it is answered."""
    said = subprocess.run([search.postgres.bin / "psql", "-XqAt", "-c", scope.sql(query)], check=True, text=True,
                          capture_output=True, env={**search.postgres.environment,
                                                    "PGOPTIONS": settings + " -c client_min_messages=debug1"})
    return len(said.stdout.splitlines()), "by PostgreSQL alone" not in said.stderr


def expect_same(search, scope, query):
    """With Elasticsearch a search must find what it finds without, and use it."""
    alone, _ = explain(search, scope, query, ALONE)
    indexed, by_index = explain(search, scope, query)
    if not by_index or alone != indexed:
        raise RuntimeError("search for %s in %s: %d messages, %d with Elasticsearch, which %s" % (
            query, scope.name, alone, indexed, "answered" if by_index else "did not answer"))


def elasticsearch_request(search, room, query):
    """The request that es_query.c sends for a chat."""
    grams = list(dict.fromkeys(query[i:i + 3] for i in range(len(query) - 2)))
    conditions = [{"term": {"scope": "%s.%d" % (search.rooms, room)}}, *({"term": {"grams": gram}} for gram in grams)]
    return elastic.request(
        "POST", "/%s/_search?routing=%s&allow_partial_search_results=false" % (search.index, search.rooms),
        json.dumps({"size": CANDIDATES, "timeout": "500ms", "track_total_hits": False, "_source": False,
                    "stored_fields": "_none_", "sort": [{"number": "asc"}],
                    "query": {"bool": {"filter": conditions}}}).encode())


def elasticsearch_ms(search, room, query):
    """Elasticsearch alone, asked the same, from one connection."""
    message = elasticsearch_request(search, room, query)
    took = []
    with elastic.Connection(search.engine.port) as connection:
        end = time.monotonic() + max(1, search.seconds // 4)
        while time.monotonic() < end:
            started = time.monotonic()
            connection.exchange(message)
            took.append((time.monotonic() - started) * 1e3)
    return statistics.median(took)


def beside_elasticsearch_rows(bench, rounds):
    """A search in the largest chat with Elasticsearch, beside Elasticsearch alone."""
    search = searched(bench)
    scope = scopes(search)[2]
    rows = []
    for name, query in QUERIES.items():
        expect_same(search, scope, query)
        pairs = []
        for number in range(rounds):
            alone = None if number % 2 == 0 else elasticsearch_ms(search, 3, query)
            took = median_ms(search, scope, query)
            pairs.append((took, elasticsearch_ms(search, 3, query) if alone is None else alone))
        took, alone = (statistics.median(times) for times in zip(*pairs))
        print("  search-beside, %s: %.2f ms beside %.2f ms" % (name, took, alone), file=sys.stderr)
        title = Title("search in %s, %s" % (scope.name, name), "Elasticsearch alone")
        rows.append(dict(row(title, "", "ms", took, alone, None, "<=", round(alone * 1.5 + 2, 2)),
                         ratio=statistics.median(a / b for a, b in pairs)))
    return rows


def trigram_index_ready(search):
    """The index of pg_trgm, in use or not."""
    search.postgres.sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    search.postgres.sql("SELECT chat.add_trigram_index()")
    wait_for(lambda: search.postgres.sql("SELECT chat.add_trigram_index()") == "The trigram index is there.",
             "the index of pg_trgm", IN_SYNC_WITHIN)


def ways_rows(bench, _rounds):
    """Each scope searched by PostgreSQL alone, with pg_trgm's index, and with Elasticsearch: the worst of
    the queries."""
    search = searched(bench)
    places = scopes(search)
    ways = ("alone", "Elasticsearch", "pg_trgm")
    took = {way: {scope.name: {} for scope in places} for way in ways}
    for way in ways:
        if way == "pg_trgm":
            trigram_index_ready(search)
        for scope in places:
            for name, query in QUERIES.items():
                if way == "Elasticsearch":
                    expect_same(search, scope, query)
                took[way][scope.name][name] = median_ms(search, scope, query, "" if way == "Elasticsearch" else ALONE)
            print("  search, %s, %s: %s" % (scope.name, way, ", ".join(
                "%s %.2f ms" % each for each in took[way][scope.name].items())), file=sys.stderr)
    search.postgres.sql("SELECT chat.drop_trigram_index()")
    rows = []
    for scope in places:
        alone = max(took["alone"][scope.name].values())
        for way in ways[1:]:
            worst = max(took[way][scope.name].values())
            title = Title("search in %s, %s" % (scope.name, way), "without")
            rows.append(dict(row(title, "", "ms", worst, alone, worst / alone, "<=", None),
                             queries=took[way][scope.name], beside_queries=took["alone"][scope.name]))
    return rows
