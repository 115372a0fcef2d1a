# The frame around the project: what can be done with it, and who does it. "make help" lists it.
#
# Settings, by environment or on the command line:
#   PG_CONFIG  the PostgreSQL to build for and run with
#   DATA PORT  make run: where the database lives, where chatd listens
#   FILE URL   make load: the log to load, the chatd to load it into
#   PREFIX     make install: where chatd goes
#   COMPOSE DEBIAN  make test-docker: the compose to use, the release of the images
#   DIRECT_ROWS  make test: whether suites tap and http write rows directly (on) or by statements (off)
#   FUZZ_SECONDS  make fuzz: for each target
#   SECONDS    make bench: for each measurement; ONLY: which lines, see tests/bench/bench.py --help

PG_CONFIG ?= pg_config
FILE ?= tests/data/ubuntu-irc.tsv.gz
URL ?= http://127.0.0.1:8080
PREFIX ?= /usr/local
export PG_CONFIG DATA PORT PREFIX COMPOSE DEBIAN DIRECT_ROWS
# Not passed on by the command line: DATA means something else to PGXS.
MAKEOVERRIDES =

PYTHON := /usr/bin/python3
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
PACKAGES := docker/packages.sh
SUITES := regress isolation tap http
ENGINES := elasticsearch-7 elasticsearch-8 elasticsearch-9 opensearch-2 opensearch-3
EXTENSION = $(MAKE) -s -C $(CURDIR)/extension PG_CONFIG=$(PG_CONFIG)
FRONTEND = $(MAKE) -s -C $(CURDIR)/frontend
STAGE := $(CURDIR)/build/stage

.PHONY: all install install-extension uninstall run load instructions bench test $(SUITES:%=test-%) test-engines fuzz sanitize coverage \
	valgrind dist deb test-package test-docker test-15 test-17 test-18 lint format tags \
	compile_commands.json help clean

all: ## build extension and chatd
	@$(PACKAGES) build
	@$(EXTENSION) all
	@$(FRONTEND) all

install: install-extension ## into PostgreSQL's directories and PREFIX/bin (root or sudo)
	@$(SUDO) $(FRONTEND) install PREFIX=$(PREFIX)

# What PostgreSQL must find to run the extension. Asks for sudo only if a file is not there as built.
install-extension: all
	@rm -rf $(STAGE) && $(EXTENSION) install DESTDIR=$(STAGE) >/dev/null
	@cd $(STAGE) && ! find . -type f ! -exec cmp -s {} /{} \; -print | grep -q . || \
		$(SUDO) $(EXTENSION) install >/dev/null

uninstall: ## take both out of there
	@$(SUDO) $(EXTENSION) uninstall >/dev/null
	@$(SUDO) rm -f $(PREFIX)/bin/chatd

run: install-extension ## a private PostgreSQL and chatd in the foreground
	@frontend/run.sh

load: ## load a chat log into a running chatd and check it
	@$(PACKAGES) load
	@$(PYTHON) tests/load/load.py $(FILE) $(URL)

instructions: install-extension ## of a message beside a bare INSERT's; fails where they are more than allowed
	@$(PACKAGES) valgrind
	@$(PYTHON) tests/bench/instructions.py --pg-config $(PG_CONFIG)

bench: install-extension ## measure, print a table, write build/bench.json
	@$(PACKAGES) bench
	@$(MAKE) -s -C tests/bench all
	@$(PYTHON) tests/bench/bench.py --pg-config $(PG_CONFIG) $(SECONDS:%=--seconds %) $(ONLY)

test: install-extension ## all suites; one alone: test-regress, test-isolation, test-tap, test-http
	@$(PACKAGES) test
	@tests/run.sh $(SUITES)

$(SUITES:%=test-%): test-%: install-extension
	@$(PACKAGES) test
	@tests/run.sh $*

test-engines: install-extension ## the tests of search on each Elasticsearch and OpenSearch
	@$(PACKAGES) test
	@status=0; for engine in $(ENGINES); do \
		CHAT_ENGINE=$$engine TESTS='t/*_search_*.pl' tests/run.sh tap || status=1; done; exit $$status

fuzz: ## what chatd and the extension parse, under libFuzzer, ASan and UBSan, each target for FUZZ_SECONDS (60)
	@$(PACKAGES) build fuzz
	@$(MAKE) -s -j2 -C tests/fuzz run $(FUZZ_SECONDS:%=FUZZ_SECONDS=%)
	@$(MAKE) -s -j2 -C tests/fuzz/extension run PG_CONFIG=$(PG_CONFIG) $(FUZZ_SECONDS:%=FUZZ_SECONDS=%)

sanitize: install-extension ## the http tests against a chatd built with ASan and UBSan
	@$(PACKAGES) test
	@$(FRONTEND) all SANITIZE=1
	@CHATD=build/sanitize/chatd tests/run.sh http

coverage: ## all suites, and which lines and branches of each folder they execute
	@$(PACKAGES) build test coverage
	@tests/coverage/run.sh $(SUITES)

valgrind: ## regress and isolation with a server under valgrind
	@$(PACKAGES) build test valgrind
	@tests/valgrind/run.sh regress isolation

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
	@.ci/lint

format: all ## lay out the C as PostgreSQL's pgindent does
	@$(PACKAGES) format
	@.ci/format build

tags: ## build/tags and build/TAGS, for vi and Emacs
	@$(PACKAGES) tags
	@mkdir -p build
	@ctags --options=.ci/ctags -f build/tags extension frontend sql tests
	@ctags --options=.ci/ctags -e -f build/TAGS extension frontend sql tests

compile_commands.json: ## into build/: how each file is compiled, for clangd and the like
	@$(PACKAGES) build tags
	@mkdir -p build
	@{ $(MAKE) -wnB -C extension PG_CONFIG=$(PG_CONFIG); $(MAKE) -wnB -C frontend; } | .ci/compile_commands >build/$@

help: ## this list
	@sed -n 's/^\([a-z][a-z0-9_. -]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 26

clean: ## remove what was built; the database of "make run" stays
	@rm -rf $(filter-out build/run,$(wildcard build/*))
