# The two commands of the README are `make demo` and `make test`; plain `make` lists all targets.
# Every target makes the environment that it needs. PYTHON=/path/to/python3.12 chooses a Python.
.DEFAULT_GOAL := help
.PHONY: help environment demo test test-slow test-gpu lint docs wheel clean
export PYTHON
# Networks and molecules this small are computed fastest by one thread; two threads that wait for
# each other on a busy machine took eight times as long.
export OMP_NUM_THREADS ?= 1

BIN := .venv/bin

help: ## list the targets
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 16

environment: .venv/ready-test ## Python environment in .venv, this checkout installed in it

demo: .venv/ready-test ## the main job: sample ethanol by classical MD, then pre-train on it
	$(BIN)/spktrain experiment=gpip_pretrain

test: .venv/ready-test ## the quick tests
	$(BIN)/python -m pytest -n 2 --durations=20 -m "not slow"

test-slow: .venv/ready-test ## the tests that take more than about ten seconds each
	$(BIN)/python -m pytest -n 2 --durations=20 -m slow

test-gpu: .venv/ready-test ## the tests that need a GPU
	$(BIN)/python -m pytest -m gpu

lint: .venv/ready-test ## style and format of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: .venv/ready-docs ## the documentation, in site/; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

wheel: .venv/ready-test ## the wheel, in dist/
	if uv --version >/dev/null 2>&1; then uv build --quiet --wheel --out-dir dist; \
	else $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .; fi

clean: ## remove what was built: site, dist, caches (not .venv, data, runs)
	rm -rf site dist build .ruff_cache
	find gpip_plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An extra is installed anew when the list of requirements changes.
.venv/ready-%: pyproject.toml .ci/environment
	.ci/environment $*
