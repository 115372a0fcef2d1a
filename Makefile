# The frame around the project: what can be done with it, and who does it. "make help" lists it.
#
# Settings, by environment or on the command line:
#   PG_CONFIG  the PostgreSQL to build for and run with
#   DATA PORT  make run: where the database lives, where chatd listens
#   FILE URL   make load: the log to load, the chatd to load it into
#   PREFIX     make install: where chatd goes
#   SECONDS    make bench: for each measurement; ONLY: which lines, see tests/bench/bench.py --help

PG_CONFIG ?= pg_config
FILE ?= tests/data/ubuntu-irc.tsv.gz
URL ?= http://127.0.0.1:8080
PREFIX ?= /usr/local
export PG_CONFIG DATA PORT PREFIX
# Not passed on by the command line: DATA means something else to PGXS.
MAKEOVERRIDES =

PYTHON := /usr/bin/python3
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
PACKAGES := docker/packages.sh
SUITES := regress isolation tap http
EXTENSION = $(MAKE) -s -C $(CURDIR)/extension PG_CONFIG=$(PG_CONFIG)
FRONTEND = $(MAKE) -s -C $(CURDIR)/frontend
STAGE := $(CURDIR)/build/stage

.PHONY: all install install-extension uninstall run load bench test $(SUITES:%=test-%) sanitize lint help clean

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

sanitize: install-extension ## the http tests against a chatd built with ASan and UBSan
	@$(PACKAGES) test
	@$(FRONTEND) all SANITIZE=1
	@CHATD=build/sanitize/chatd tests/run.sh http

lint: ## warnings as errors, static analysis
	@$(PACKAGES) build lint
	@.ci/lint

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

clean: ## remove what was built; the database of "make run" stays
	@rm -rf $(filter-out build/run,$(wildcard build/*))
