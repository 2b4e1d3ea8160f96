# Everything a person does here is one of these targets; `make` alone lists them.
# Options: PYTHON=python3.13 (which interpreter makes .venv), ARGS='...' (passed on by run, bench,
# run-study, tune, curves, wins, kills, mutants), PYTEST_ARGS='...' (passed on by test), JOBS=4 (test
# processes).

PYTHON ?= python3
ARGS ?=
PYTEST_ARGS ?=
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
OTHERS := .venv-others

# Without this, pyright asks PyPI for a newer release of itself at every start.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check $(if $(CI),--quiet) -c constraints.txt

# In CI: no colours, every outcome but a pass explained, the slowest tests named.
ifdef CI
PYTEST_OUTPUT := --color=no -q -ra --durations=15
else
PYTEST_OUTPUT := -q
endif

.DEFAULT_GOAL := help
.PHONY: help install run test test-ray check format bench bench-learning bench-bulk bench-studies bench-reports run-study tune hidden curves wins kills notebooks serve-others mutants serve-bench serve-fuzz serve-chaos serve-consent clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with everything pinned (the other targets do it by themselves)

# The only step that needs the network. torch and the build backend come first: torch, so that
# nothing else chooses its version; the backend, so that no unpinned one is fetched for the build.
$(INSTALLED): pyproject.toml constraints.txt
	@test -x $(BIN)/pip || command -v $(PYTHON) >/dev/null || { echo "make: there is no '$(PYTHON)'; choose an interpreter: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("make: nba_gym needs Python 3.11, 3.12 or 3.13 and $(PYTHON) is %d.%d; choose another: make PYTHON=python3.12" % v)'
	@test -x $(BIN)/pip || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing pinned dependencies into $(VENV) (some minutes the first time)"
	@$(PIP_INSTALL) torch hatchling
	@$(PIP_INSTALL) --no-build-isolation -e '.[dev]'
	@$(BIN)/python -m pip check
	@touch $@

run: $(INSTALLED) ## Fit, train, compare, export and report: the first comparison, on real records
	$(BIN)/python -m experiments.first_comparison $(ARGS)

# One OpenMP thread for each test process: spinning pools that outnumber the cores starve each
# other. A test about threads sets its own number.
test: check ## All checks, then all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) $(PYTEST_OUTPUT) $(PYTEST_ARGS)

# Ray is in no extra that the other targets install; without it the test is skipped.
test-ray: $(INSTALLED) ## Studies, sweeps and simulation on a local Ray cluster that loses nodes (4 minutes)
	$(PIP_INSTALL) -q -e '.[dev,ray]' --no-build-isolation
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/experiments/test_ray.py $(PYTEST_OUTPUT)

check: $(INSTALLED) ## Lint, format, types and import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## Rewrite files in the house format, with the safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# To measure EnvPool beside us: .venv/bin/pip install -c constraints.txt -e '.[bench]'
bench: $(INSTALLED) ## Measure throughput side by side with peers in one run
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-learning: $(INSTALLED) ## Measure how fast an agent learns beside Stable-Baselines3's loops
	$(BIN)/python -m benchmarks.learning $(ARGS)

bench-bulk: $(INSTALLED) ## Measure bulk simulation: customers a second, memory, the disk beside it
	$(BIN)/python -m benchmarks.bulk $(ARGS)

bench-studies: $(INSTALLED) ## Measure how well a study uses two cores
	$(BIN)/python -m benchmarks.studies $(ARGS)

bench-reports: $(INSTALLED) ## Measure how large a report is, and how fast it opens in Chromium
	$(BIN)/python -m benchmarks.reports $(ARGS)

run-study: $(INSTALLED) ## Run a study of experiments/studies: ARGS='greedy_vs_rl --smoke'
	$(BIN)/python -m experiments.run $(ARGS)

tune: $(INSTALLED) ## Tune a recipe or a baseline: ARGS='retail --seconds 3600 --workers 2'
	$(BIN)/python -m agents.tune $(ARGS)

hidden: $(INSTALLED) ## Tell the hidden half from the records of one period, and of several (a minute)
	$(BIN)/python -m experiments.hidden $(ARGS)

curves: $(INSTALLED) ## Learning curves of every recipe and scenario, over seeds, into docs/ (many hours)
	$(BIN)/python -m experiments.curves $(ARGS)

wins: $(INSTALLED) ## Time trainings from a cold start and count the seeds that beat practice (hours)
	$(BIN)/python -m experiments.wins $(ARGS)

kills: $(INSTALLED) ## Kill trainings and saves at random moments, go on, compare bit by bit (15 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.agents.kills $(ARGS)

notebooks: $(INSTALLED) ## Run the notebooks and write them with what they came to: ARGS='--names 02'
	OMP_NUM_THREADS=1 $(BIN)/python -m notebooks.make $(ARGS)

serve-others: $(INSTALLED) $(OTHERS)/.installed ## Start MLflow and MLServer on a policy folder, and ask them (2 minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/serving/test_others.py -ra $(PYTEST_OUTPUT)

# Servers of others live in an environment of their own: they pin what does not go with our pins.
$(OTHERS)/.installed: tests/serving/others.txt
	@test -x $(OTHERS)/bin/pip || $(BIN)/python -m venv $(OTHERS)
	@echo "installing MLflow and MLServer into $(OTHERS) (some minutes the first time)"
	@$(OTHERS)/bin/python -m pip install --disable-pip-version-check --quiet -r tests/serving/others.txt
	@touch $@

mutants: $(INSTALLED) ## Plant faults one by one and show that the tests catch each
	$(BIN)/python -m tests.mutants.run $(ARGS)

serve-bench: $(INSTALLED) ## Load the decision service: a rate to hold, its capacity, three times that (a minute)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.serving.load $(ARGS)

serve-fuzz: $(INSTALLED) ## Send the decision service 100,000 hostile requests (some minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.serving.fuzz $(ARGS)

serve-chaos: $(INSTALLED) ## Kill, swap and stop the decision service under load (some minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.serving.chaos $(ARGS)

serve-consent: $(INSTALLED) ## Decide for 1,000,000 random customers without consent: no contacts
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.serving.consent $(ARGS)

clean: ## Remove caches and build output; keeps .venv and runs
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis .benchmarks .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
