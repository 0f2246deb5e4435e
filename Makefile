# Every target runs in .venv, which the first one makes; a machine needs python3 with venv and pip, nothing else.
# On Linux without a GPU, PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu saves gigabytes of CUDA libraries.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
NEEDED := 3000000 # kB of disk that the environment may take
MINIMUM := 3, 11
BOUND ?= 600 # seconds that each fuzz battery may take
ENVIRONMENT := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:
.SHELLFLAGS := -eu -c
.PHONY: install reproduce studies test fuzz lint docs bench figures ledger clean help

install: $(STAMP) ## Make the environment .venv alone, as every target does that needs it

reproduce: $(STAMP) ## Run every proxy, print its claims, write report/index.html (QUICK=1: reduced size; FULL=1: every check)
	@$(BIN)/loralab reproduce $(if $(QUICK),--quick) $(if $(FULL),--full)

studies: $(STAMP) ## Run the studies on pretrained models, which takes hours and goes on after a kill (QUICK=1: reduced size)
	@$(BIN)/loralab reproduce --studies $(if $(QUICK),--quick)

test: $(STAMP) ## Run the test suite (PYTEST_ADDOPTS is handed on)
	@$(ENVIRONMENT) $(BIN)/python -m pytest -n auto --dist loadgroup

fuzz: $(STAMP) ## Look for what fails in silence: damaged adapters, odd requests, kills (BOUND: seconds for each)
	@$(ENVIRONMENT) $(BIN)/python -m tests.fuzz --seconds $(BOUND)

lint: $(STAMP) ## Check style and types
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(STAMP) ## Build the documentation site: build/site/index.html, which needs no server and no network
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	echo "docs: build/site/index.html"

bench: $(STAMP) ## Measure speed and memory beside PEFT's (SUITE=gpu; ROWS='step merge'; results in runs/benchmarks/)
	@$(ENVIRONMENT) $(BIN)/python -m benchmarks --suite $(or $(SUITE),cpu) --compare peft $(if $(ROWS),--rows $(ROWS))

figures: $(STAMP) ## Draw the figures and the report from the run store
	@$(BIN)/loralab report

ledger: $(STAMP) ## Record the run store in evidence/ledger and LEDGER.md
	@$(BIN)/loralab ledger

clean: ## Remove .venv, the report and all caches; the run store stays
	@rm -rf .venv report build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 18

# The file .venv/installing lives while pip works: where it is found, an install was killed and starts afresh.
$(STAMP): pyproject.toml constraints.txt
	@fail() { echo "error: $$1" >&2; exit 1; }
	command -v "$(PYTHON)" >/dev/null || fail "no $(PYTHON) on the PATH: install Python 3.11 or later, or name one, as in make PYTHON=python3.12"
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < ($(MINIMUM)))' \
	    || fail "$(PYTHON) is $$("$(PYTHON)" -V 2>&1), and 3.11 or later is needed: name one, as in make PYTHON=python3.12"
	"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null \
	    || fail "$(PYTHON) lacks the venv module: install it (on Debian and Ubuntu: apt install python3-venv)"
	if [ -e .venv/installing ]; then rm -rf .venv; fi
	mkdir -p .venv || fail "cannot write to $$PWD"
	used=$$(du -sk .venv | cut -f1)
	free=$$(df -Pk . | awk 'NR == 2 { print $$4 }')
	[ $$((free + used)) -ge $(NEEDED) ] || fail "disk full: the environment needs about 3 GB, and $$((free / 1000)) MB are free"
	echo "installing into .venv (two minutes or more, about 3 GB; how far it is: tail -f .venv/install.log)"
	touch .venv/installing
	"$(PYTHON)" -m venv .venv >.venv/install.log 2>&1 || fail "cannot make .venv: $$(tail -n 1 .venv/install.log)"
	if $(BIN)/python -m pip install --retries 2 -e '.[dev]' -c constraints.txt --config-settings editable_mode=compat >>.venv/install.log 2>&1; then
	    echo "preparing the language model (a minute or two)"
	    $(BIN)/loralab models get smollm2 >>.venv/install.log 2>.venv/models.log \
	        || { rm -f .venv/installing; fail "$$(tail -n 1 .venv/models.log | sed 's/^error: //')"; }
	    mv .venv/installing $@ && touch $@
	else
	    rm -f .venv/installing
	    if grep -qi 'no space left' .venv/install.log; then
	        fail "disk full while installing: about 3 GB are needed; see .venv/install.log"
	    elif grep -qiE 'connection (broken|refused|reset|error)|NewConnectionError|name resolution|timed out|unreachable|could not fetch' .venv/install.log; then
	        fail "cannot reach the package index: check the network or PIP_INDEX_URL; see .venv/install.log"
	    fi
	    fail "pip could not install: $$(grep -i '^error' .venv/install.log | tail -n 1); see .venv/install.log"
	fi
