# What a fresh checkout can do. Everything is installed into .venv, built from this folder.
#   make demo    train a digit recogniser and draw what it learnt   (ARGS="--epochs 5 ...")
#   make test    the test suite                                      (ARGS="-k dropout")
#   make check   formatting, lint, types, structure, size
#   make bench   times, beside PyTorch's where it is installed
#   make asan    operators and autograd under AddressSanitizer
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml CMakeLists.txt $(shell find csrc rushlight -name '*.cpp' -o -name '*.h' -o -name '*.py')
ARGS ?=

.PHONY: install demo test check format bench asan clean
install: $(VENV)/installed

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The build's tools stay in the environment: with pip's throw-away ones every path changes from run to
# run and everything is compiled anew.
$(VENV)/builders: pyproject.toml $(BIN)/python
	$(BIN)/python tools/extra.py build >$(VENV)/build.txt
	$(BIN)/python -m pip install --quiet cmake ninja -r $(VENV)/build.txt
	touch $@

# The links let Python started in this folder, which finds rushlight/ first, find the extension too.
$(VENV)/installed: $(SOURCES) $(VENV)/builders
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pip install --quiet --no-build-isolation '.[plot,progress,test]'
	cd rushlight && ln -sf $(abspath $(VENV))/lib/python3*/site-packages/rushlight/*.so* .
	touch $@

demo: $(VENV)/installed
	$(BIN)/python examples/digits.py $(ARGS)

test: $(VENV)/installed
	OMP_NUM_THREADS=2 $(BIN)/pytest $(ARGS)

$(VENV)/checkers: pyproject.toml $(BIN)/python
	$(BIN)/python tools/extra.py check >$(VENV)/check.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/check.txt
	touch $@

check: $(VENV)/installed $(VENV)/checkers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	find csrc -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format --dry-run --Werror
	$(BIN)/python tools/size_report.py
	$(BIN)/pytest tests/test_structure.py

format: $(VENV)/checkers
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	find csrc -name '*.cpp' -o -name '*.h' | xargs $(BIN)/clang-format -i

bench: $(VENV)/installed
	$(BIN)/python bench/run.py $(ARGS)

# The sanitized extension is built beside a copy of the package, so that the installed one stays.
asan: $(VENV)/installed
	RL_PYTHON=$(abspath $(BIN)/python) tools/asan_test.sh $(ARGS)

clean:
	rm -rf build build-asan dist digits-out .venv .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
