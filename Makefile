# Two commands: `make run` (the main job on real data) and `make test` (everything that must hold).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SAM_VENV  := .venv-sam
SAM_STAMP := $(SAM_VENV)/.installed
GRAMMAR   := tests/grammar/node_modules/.check.cjs
CLIENTS   := tests/browser/node_modules/.package-lock.json
# A process a processor; a file's tests stay together, since they share what is dear to set up.
SIDE_BY_SIDE := $(BIN)/pytest -n auto --dist loadfile
# The layers' Makefiles find pip through PATH; nothing is reported to anybody.
SAM := SAM_CLI_TELEMETRY=0 PATH="$(CURDIR)/$(SAM_VENV)/bin:$$PATH" sam
# A dozen Python processes a run: what they import is compiled once, whatever the machine's own settings say.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help browser soak run test check unit fuzz mutants histories bench load build install grammar cross-check fmt clean
.DEFAULT_GOAL := help
help:
	@echo "make run    bring the embedded cloud up and run the main job on real data"
	@echo "make test   set up and run every check and test"
	@echo "make unit   the fast tests only"
	@echo "make check  formatting, lint, types, import laws, template rules"
	@echo "make browser  real clients of sites in Chromium and in Python; as root on Debian it installs Chromium"
	@echo "make cross-check  ask other SQL engines (Spark, Velox) about every conformance case"
	@echo "make fuzz   random rules over random people through every reading, many more than in make test"
	@echo "make mutants  faults in the rule language, one at a time: the conformance cases notice each; takes an hour"
	@echo "make histories  random histories of events, failures and sweeps, many more than in make test"
	@echo "make soak   a steady stream with faults through the embedded cloud, and nothing lost; DURATION=3600 for an hour"
	@echo "make bench  figures: an event against many segments beside six rule engines; a batch in one query or in many"
	@echo "make load   the figures of five million profiles on one machine; ten minutes or more"
	@echo "make build  validate the template and build what is deployed, into .aws-sam/"
	@echo "make fmt    format the code"

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[local,test]'
	touch $(STAMP)

$(SAM_STAMP): infra/sam-requirements.txt $(STAMP)
	test -x $(SAM_VENV)/bin/python || $(PYTHON) -m venv $(SAM_VENV)
	$(BIN)/uv pip install -q --python $(SAM_VENV)/bin/python -r infra/sam-requirements.txt
	touch $(SAM_STAMP)

# Witnesses from npm that the tests ask: an independent Trino grammar.
grammar: $(GRAMMAR)
$(GRAMMAR): tests/grammar/package-lock.json tests/grammar/check.mjs
	cd tests/grammar && npm ci --silent --no-audit --no-fund && npm run --silent bundle

# The clients that sites carry already. Chromium is Debian's, or what $CHROMIUM names.
$(CLIENTS): tests/browser/package-lock.json
	cd tests/browser && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

browser: $(STAMP) $(CLIENTS)
	[ -n "$$CHROMIUM" ] || command -v chromium >/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } </dev/null
	$(BIN)/pytest tests/browser

# Other engines than the one that the tests run on, each in an environment of its own.
cross-check: $(STAMP)
	for engine in velox spark; do \
	  test -x .venv-$$engine/bin/python || $(PYTHON) -m venv .venv-$$engine; \
	  $(BIN)/uv pip install -q --python .venv-$$engine/bin/python -r tests/cross_check/requirements-$$engine.txt || exit 1; \
	done
	$(BIN)/python -m tests.cross_check.run --velox .venv-velox/bin/python --spark .venv-spark/bin/python

run: $(STAMP)
	$(BIN)/python -m infra.demo $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/cfn-lint --append-rules infra/lint -- template.yaml infra/*.yaml
	$(BIN)/lint-imports
	$(BIN)/mypy

unit: $(STAMP)
	$(SIDE_BY_SIDE) -p no:schemathesis tests/unit tests/conformance

# The end-to-end tests share one embedded cloud, which takes all processors by itself.
test: check $(SAM_STAMP) $(GRAMMAR)
	$(SIDE_BY_SIDE) --ignore tests/e2e --ignore tests/browser tests
	$(BIN)/pytest tests/e2e

# Other examples than in `make test`, and TIMES as many of them; a failure prints the world or history that shows it.
fuzz: TIMES ?= 40
fuzz: $(STAMP)
	TIMES=$(TIMES) $(SIDE_BY_SIDE) tests/properties/test_agreement.py tests/properties/test_index.py tests/management/test_fuzz.py

histories: TIMES ?= 25
histories: $(STAMP)
	TIMES=$(TIMES) $(SIDE_BY_SIDE) $(addprefix tests/properties/test_,arrival.py compaction.py cut_off.py forgotten_ids.py identities.py runs.py)

# Seconds of the stream; then all of it is checked, which takes half a minute or more.
soak: $(STAMP)
	$(BIN)/python -m tests.soak $${DURATION:-240} $(SEED)

# MODULES="operators/time times" for some; ARGS="--every 5" for a sample.
mutants: $(STAMP)
	$(BIN)/python -m tests.mutants.run $(ARGS) $(MODULES)

# Peers go into tests/bench/.peers, the tables to tests/bench/*.md. The five million profiles take a few minutes.
bench: $(STAMP)
	$(BIN)/python -m tests.bench.evaluate_events $(ARGS)
	$(BIN)/python -m tests.bench.stream
	$(BIN)/python -m tests.bench.batch_one_query
	$(BIN)/python -m tests.bench.read_profiles
	$(BIN)/python -m tests.bench.batch_segments
	$(BIN)/python -m tests.bench.publish_run
	$(BIN)/python -m tests.bench.build_audience
	$(BIN)/python -m tests.bench.batch_one_query --profiles 5000000 --alone 10

# What one machine holds: 5 million profiles, 100 million events; ten minutes or more, 4 GB of disk.
load: $(STAMP)
	$(BIN)/python -m tests.bench.load $(ARGS)

build: $(SAM_STAMP)
	$(SAM) validate --lint --region us-east-1
	$(SAM) build

fmt: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(SAM_VENV) .aws-sam .local-cloud
