# Everything sets itself up: only Python 3.11 or later and pip are needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test deep check format compare bench clean

demo: $(VENV)/run.stamp  ## train the calculator, ask it, and see who was to blame
	$(BIN)/blameflow train --out runs/calculator

test: $(VENV)/dev.stamp  ## the test suite, in parallel
	$(BIN)/python -m pytest

deep: $(VENV)/dev.stamp  ## more examples, random ones, and the tests that take long: half an hour and more
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest

check: $(VENV)/dev.stamp $(VENV)/engines.stamp  ## format, lint, types, tests: what must pass before a change lands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

format: $(VENV)/dev.stamp  ## put the source into its canonical form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

compare: $(VENV)/dev.stamp  ## hold every op against PyTorch's, run the recipes; downloads PyTorch and JAX
	$(BIN)/python -m pip install --quiet -e '.[compare]'
	$(BIN)/python -m pytest tests/against tests/engine/test_adapters*.py

bench: $(VENV)/dev.stamp  ## compare with PyTorch, JAX and others, which it downloads; time the pictures
	$(BIN)/python -m pip install --quiet -e '.[bench]'
	$(BIN)/python -m benchmarks
	$(BIN)/python benchmarks/pictures.py

$(VENV)/engines.stamp: $(VENV)/dev.stamp tests/engines.py
	$(BIN)/python -m tests.engines
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/pip.stamp:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run.stamp: $(VENV)/pip.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/dev.stamp: $(VENV)/pip.stamp pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@
