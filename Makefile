# The frame around the project: what can be done with it, and who does it. "make help" lists it.
#
# Settings, by environment or on the command line:
#   PG_CONFIG  the PostgreSQL to build for and run with
#   DATA PORT  make run: where the database lives, where chatd listens
#   FILE URL   make load: the log to load, the chatd to load it into
#   PREFIX     make install: where chatd goes
#   COMPOSE DEBIAN  make test-docker: the compose to use, the release of the images
#   DIRECT_ROWS  make test: whether suites tap and http write rows directly (on) or by statements (off)
#   FAILOVERS  make test-http: how many times a standby takes over (3)
#   FUZZ_SECONDS  make fuzz: for each target
#   ROUNDS SEED  make torture: how many rounds of faults, and which (25, 1)
#   MINUTES    make soak: for how long (60)
#   SECONDS    make bench: for each measurement; ONLY: which lines, see tests/bench/bench.py --help; BEFORE: a
#              commit to measure beside this one

PG_CONFIG ?= pg_config
FILE ?= tests/data/ubuntu-irc.tsv.gz
URL ?= http://127.0.0.1:8080
PREFIX ?= /usr/local
export PG_CONFIG DATA PORT PREFIX COMPOSE DEBIAN DIRECT_ROWS FAILOVERS ROUNDS SEED MINUTES
# Not passed on by the command line: DATA means something else to PGXS.
MAKEOVERRIDES =

# PostgreSQL's makefiles quote paths, so far as these have no quotes of their own.
$(foreach character,' " ` \,$(if $(findstring $(character),$(CURDIR)),$(error This clone is in a path with $(character): move it)))

PYTHON := /usr/bin/python3
PACKAGES := docker/packages.sh
STEP := docker/step.sh
SUITES := regress isolation tap http commands torture
ENGINES := elasticsearch-7 elasticsearch-8 elasticsearch-9 opensearch-2 opensearch-3

# A clone that is not root's stays its owner's: root builds and tests as its owner, and installs as root.
ROOT := $(filter 0,$(shell id -u))
OWNER := $(shell getent passwd "$$(stat -c %u .)" | cut -d : -f 1)
AS_OWNER := $(if $(ROOT),$(if $(filter-out root,$(OWNER)),setpriv --reuid $(OWNER) --regid $(shell id -g $(OWNER)) --init-groups))
SUDO := $(if $(ROOT),,sudo)

# A copy of PG_CONFIG's PostgreSQL that the extension is built with, installed into and tried with, see
# docker/private_postgres.sh. Only "make install" touches the PostgreSQL that is there.
PRIVATE := build/postgres
USE_PRIVATE := PG_CONFIG="$(CURDIR)/$(PRIVATE)/pg_config"
# Seen from where the extension is built, so that the clone's path may have spaces.
EXTENSION = $(MAKE) -C extension PG_CONFIG=../postgres/pg_config
PARALLEL = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

.PHONY: all compile install uninstall run load instructions bench test $(SUITES:%=test-%) torture soak test-engines fuzz sanitize sanitize-extension coverage \
	valgrind dist deb test-package test-docker test-15 test-17 test-18 lint format tags \
	compile_commands.json help clean

# CI tries pg_repack. It has to be there before the private PostgreSQL is made.
test test-tap: REPACK = $(if $(CI),repack)

all: ## build extension and chatd
	@$(PACKAGES) build $(REPACK)
	@$(AS_OWNER) $(STEP) build "Building the extension and chatd" $(MAKE) --no-print-directory $(PARALLEL) compile

# The build proper, once the packages are installed.
compile:
	docker/private_postgres.sh $(PRIVATE)
	+$(EXTENSION) install
	$(MAKE) -C frontend all

# Of PG_CONFIG, which may be there only once the packages are.
PKGLIBDIR = "$$($(PG_CONFIG) --pkglibdir)"
SHAREDIR = "$$($(PG_CONFIG) --sharedir)"

install: all ## into PostgreSQL's directories and PREFIX/bin (root or sudo)
	@echo "Installing into" $(PKGLIBDIR) $(SHAREDIR)/extension "$(PREFIX)/bin$(SUDO:%=, as root, by %)"
	@$(SUDO) $(EXTENSION) -s install pkglibdir=$(PKGLIBDIR) datadir=$(SHAREDIR) >/dev/null
	@$(SUDO) $(MAKE) -s -C frontend install PREFIX=$(PREFIX)

uninstall: ## take both out of there
	@$(SUDO) rm -rf $(PKGLIBDIR)/pg_chat.so $(PKGLIBDIR)/bitcode/pg_chat $(PKGLIBDIR)/bitcode/pg_chat.index.bc
	@$(SUDO) sh -c 'rm -f "$$1/extension/pg_chat.control" "$$1"/extension/pg_chat--*.sql' sh $(SHAREDIR)
	@$(SUDO) rm -f $(PREFIX)/bin/chatd

run: all ## a private PostgreSQL and chatd in the foreground
	@frontend/run.sh

load: ## load a chat log into a running chatd and check it; with IMPORT=1, with its times
	@$(PACKAGES) load
	@$(AS_OWNER) $(PYTHON) tests/load/load.py $(FILE) $(URL) $(if $(IMPORT),import)

instructions: all ## of a message beside a bare INSERT's; fails where they are more than allowed
	@$(PACKAGES) valgrind
	@$(AS_OWNER) $(PYTHON) tests/bench/instructions.py --pg-config $(PRIVATE)/pg_config

bench: all ## measure, print a table, write build/bench.json
	@$(PACKAGES) bench $(if $(ONLY),$(if $(findstring search,$(ONLY)),engine),engine)
	@$(AS_OWNER) $(STEP) bench "Building what chatd is compared with" $(MAKE) -C tests/bench all
	@$(if $(BEFORE),$(AS_OWNER) $(STEP) before "Building $(BEFORE)" tests/bench/before.sh $(BEFORE) build/before)
	@$(AS_OWNER) $(PYTHON) tests/bench/bench.py --pg-config $(PRIVATE)/pg_config $(SECONDS:%=--seconds %) $(if $(BEFORE),--before build/before) $(ONLY)

test: all ## all suites; one alone: test-regress, test-isolation, test-tap, test-http
	@$(PACKAGES) test engine
	@$(AS_OWNER) env $(USE_PRIVATE) tests/run.sh $(SUITES)

$(SUITES:%=test-%): test-%: all
	@$(PACKAGES) test $(if $(filter tap torture,$*),engine)
	@$(AS_OWNER) env $(USE_PRIVATE) tests/run.sh $*

torture: test-torture ## rounds of faults in all that can fail, under load; what was acknowledged is there once (ROUNDS, SEED)

soak: all ## full rate for MINUTES: the memory of all processes stays flat; build/soak.svg
	@$(PACKAGES) test engine bench
	@$(AS_OWNER) env $(USE_PRIVATE) tests/run.sh soak

test-engines: all ## the tests of search on each Elasticsearch and OpenSearch
	@$(PACKAGES) test engine
	@status=0; for engine in $(ENGINES); do $(AS_OWNER) env $(USE_PRIVATE) \
		CHAT_ENGINE=$$engine TESTS='t/*_search_*.pl' tests/run.sh tap || status=1; done; exit $$status

fuzz: ## what chatd and the extension parse, under libFuzzer, ASan and UBSan, each target for FUZZ_SECONDS (60)
	@$(PACKAGES) build fuzz
	@$(AS_OWNER) docker/private_postgres.sh $(PRIVATE) >/dev/null
	@$(AS_OWNER) $(MAKE) -s -j3 -C tests/fuzz run $(FUZZ_SECONDS:%=FUZZ_SECONDS=%)
	@$(AS_OWNER) $(MAKE) -s -j3 -C tests/fuzz/extension run $(USE_PRIVATE) $(FUZZ_SECONDS:%=FUZZ_SECONDS=%)

sanitize: all ## the http tests against a chatd built with ASan and UBSan
	@$(PACKAGES) test
	@$(AS_OWNER) $(STEP) sanitize "Building chatd with sanitizers" $(MAKE) $(PARALLEL) -C frontend all SANITIZE=1
	@$(AS_OWNER) env $(USE_PRIVATE) CHATD=build/sanitize/chatd tests/run.sh http

sanitize-extension: ## regress and isolation with an extension built with ASan and UBSan (PG_CONFIG not Debian's)
	@$(PACKAGES) build test
	@$(AS_OWNER) tests/sanitize/run.sh regress isolation

coverage: ## all suites, and which lines and branches of each folder they execute
	@$(PACKAGES) build test engine coverage
	@$(AS_OWNER) tests/coverage/run.sh $(SUITES)

valgrind: ## regress and isolation with a server under valgrind
	@$(PACKAGES) build test valgrind
	@$(AS_OWNER) tests/valgrind/run.sh regress isolation

dist: ## the distribution for PGXN, of the last commit, in build/dist
	@$(PACKAGES) dist
	@docker/dist.py

deb: ## Debian packages, for the release that runs this, in build/deb
	@$(PACKAGES) build package
	@docker/deb.sh

test-package: ## make packages, install, upgrade and purge them in fresh Debian 12 and 13 (root)
	@$(PACKAGES) dist tree
	@tests/package/run.sh bookworm trixie

test-docker: ## the stack of docker-compose.yml, with a dockerd of its own (root; COMPOSE, DEBIAN)
	@tests/docker/run.sh

# The Debian release that has this PostgreSQL.
test-15: RELEASE := bookworm
test-17: RELEASE := trixie
test-18: RELEASE := testing
test-15 test-17 test-18: ## all suites in a fresh Debian with this PostgreSQL (root)
	@$(PACKAGES) tree
	@tests/package/tree.sh $(RELEASE) make test

lint: ## includes, warnings as errors, layout, static analysis, documentation
	@$(PACKAGES) build lint
	@$(AS_OWNER) .ci/lint

format: all ## lay out the C as PostgreSQL's pgindent does
	@$(PACKAGES) format
	@$(AS_OWNER) .ci/format build

tags: ## build/tags and build/TAGS, for vi and Emacs
	@$(PACKAGES) tags
	@mkdir -p build
	@ctags --options=.ci/ctags -f build/tags extension frontend sql tests
	@ctags --options=.ci/ctags -e -f build/TAGS extension frontend sql tests

compile_commands.json: all ## into build/: how each file is compiled, for clangd and the like
	@$(PACKAGES) tags
	@{ $(EXTENSION) -wnB; $(MAKE) -wnB -C frontend; } | .ci/compile_commands >build/$@

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9_. -]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 26

clean: ## remove what was built; the database of "make run" stays
	@rm -rf $(filter-out build/run build/packages,$(wildcard build/*))
