# Two commands: `make run` (the main job on real data) and `make test` (everything that must hold).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test check unit install fmt clean
.DEFAULT_GOAL := help
help:
	@echo "make run    bring the embedded cloud up and run the main job on real data"
	@echo "make test   set up and run every check and test"
	@echo "make unit   the fast tests only"
	@echo "make fmt    format the code"

install: $(STAMP)
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/uv pip install -q --python $(BIN)/python -c constraints.txt -e '.[local,test]'
	touch $(STAMP)

run: $(STAMP)
	$(BIN)/python -m infra.demo $(ARGS)

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

unit: $(STAMP)
	$(BIN)/pytest tests/unit tests/conformance tests/contract

test: check
	$(BIN)/pytest

fmt: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .aws-sam .local-cloud
