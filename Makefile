.PHONY: run install test checks suite test-chaos test-real lint types schema bench
PY = .venv/bin/python
# What distributions build is tuned with a profile; what version managers build by themselves is mostly not, and a third slower.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)

run: .venv/run ## the hub with its demo systems on http://127.0.0.1:8000
	.venv/bin/connector demo run

install: .venv/dev ## everything that developing needs

test: .venv/dev ## all tests, lint and types
	$(MAKE) --no-print-directory --jobs=2 checks suite

checks: .venv/dev
	.venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/lint-imports && .venv/bin/mypy

suite: .venv/dev
	$(PY) -m pytest

test-chaos: .venv/dev ## everything is broken at random while the hub works: make test-chaos seconds=300
	CHAOS_SECONDS=$(or $(seconds),60) $(PY) -m pytest tests/chaos -n 0 -s

test-real: .venv/dev ## against real Nautobot, Request Tracker, Karrio and Roundup (minutes of set-up)
	$(PY) -m pytest tests/real --run-real -n 0 -s

lint: .venv/dev ## format and lint
	.venv/bin/ruff format . && .venv/bin/ruff check --fix . && .venv/bin/lint-imports

types: .venv/dev ## mypy --strict
	.venv/bin/mypy

schema: .venv/dev ## rewrite graphql/schema.graphql from the code
	.venv/bin/connector schema --write graphql/schema.graphql

bench: .venv/dev ## measures: make bench, or make bench only=sync
	$(PY) -m bench $(only)

.venv/bin/uv:
	$(PYTHON) -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check uv

.venv/run: .venv/bin/uv pyproject.toml constraints.txt
	.venv/bin/uv pip install --quiet --compile-bytecode --python $(PY) --constraints constraints.txt --editable . && $(PY) -m compileall -q src adapters && touch $@

.venv/dev: .venv/bin/uv pyproject.toml constraints.txt
	.venv/bin/uv pip install --quiet --compile-bytecode --python $(PY) --constraints constraints.txt --editable '.[dev]' && $(PY) -m compileall -q src adapters && touch $@ .venv/run
