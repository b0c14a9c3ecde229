# Two commands for a newcomer: `make demo` and `make test`.

PYTHON ?= python3
CC ?= cc
PY := .venv/bin/python
INSTALLED := .venv/.installed
BUILD := build/demo
WORKERS ?= auto
BENCH := build/bench
PEERS := $(BENCH)/.peers
PEERS_PY := $(BENCH)/venv/bin/python

.PHONY: demo test test-all check format bench bench-quick bench-counts bench-peers clean help

help:
	@echo "make demo      install into .venv, compile examples/digits, run it from Python and from C"
	@echo "make test      make check, then the tests (the op tables sampled with a stated seed)"
	@echo "make test-all  every test: the complete op tables and the long ones"
	@echo "make check     ruff, pyright, import contracts"
	@echo "make format    let ruff format the sources"
	@echo "make bench-peers  install the libraries that tcc is measured against into build/bench/venv"
	@echo "make bench     measure every workload with one and with two threads, and compile times, write docs/measured/cpu.md"
	@echo "make bench-counts  count instructions and cache misses where tcc was behind in make bench"
	@echo "make bench-quick  measure the main ones, within two minutes"

$(INSTALLED): pyproject.toml
	@test -x $(PY) || { echo "making .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing (one to three minutes the first time)"
	@$(PY) -m pip install --quiet --disable-pip-version-check -e ".[test]"
	@touch $@

demo: $(INSTALLED)
	@mkdir -p $(BUILD)
	$(PY) -m tcc compile examples/digits/model.py -o $(BUILD)/model.so
	@$(PY) examples/digits/demo.py $(BUILD)/model.so
	@$(CC) -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -I$(BUILD) examples/digits/main.c $(BUILD)/model.so \
		-Wl,-rpath,'$$ORIGIN' -o $(BUILD)/digits
	@$(BUILD)/digits examples/digits/digits.csv

check: $(INSTALLED)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pyright
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()" --no-cache

test: check
	$(PY) -m pytest -n $(WORKERS) --dist loadgroup -m "not slow"

test-all: check
	TCC_TEST_COMPLETE=1 $(PY) -m pytest -n $(WORKERS) --dist loadgroup

format: $(INSTALLED)
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

$(PEERS): tools/bench/requirements.txt
	@test -x $(PEERS_PY) || $(PYTHON) -m venv $(BENCH)/venv
	@echo "installing the peers (some minutes, 2 GB)"
	@$(PEERS_PY) -m pip install --quiet --disable-pip-version-check -r tools/bench/requirements.txt
	@touch $@

bench-peers: $(PEERS)

bench: $(INSTALLED)
	$(PY) -m tools.bench run --threads 1 -o $(BENCH)/threads1.json
	$(PY) -m tools.bench run --threads 2 -o $(BENCH)/threads2.json
	$(PY) -m tools.bench compile -o $(BENCH)/compiling.json
	$(PY) -m tools.bench report $(BENCH)/threads1.json $(BENCH)/threads2.json \
		--compiling $(BENCH)/compiling.json --counts $(BENCH)/counts.json -o docs/measured/cpu.md

bench-counts: $(INSTALLED)
	$(PY) -m tools.bench counts --report $(BENCH)/threads1.json -o $(BENCH)/counts.json --listings $(BENCH)/listings
	$(PY) -m tools.bench report $(BENCH)/threads1.json $(wildcard $(BENCH)/threads2.json) \
		--compiling $(BENCH)/compiling.json --counts $(BENCH)/counts.json -o docs/measured/cpu.md

bench-quick: $(INSTALLED)
	$(PY) -m tools.bench run --quick -o $(BENCH)/quick.json

clean:
	rm -rf build .venv
