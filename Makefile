# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help install demo test check format clean

help:
	@echo "make demo    install, then search on scikit-learn's digits and write a report"
	@echo "make test    install, then run the whole test suite"
	@echo "make check   install, then lint, format check, types and layering"
	@echo "make format  let ruff rewrite the sources"
	@echo "make clean   remove the environment and the demo run"

# torch first: other packages that ask for torch then find the pinned build and pull no other.
$(STAMP): pyproject.toml constraints.txt
	@echo "making the environment in $(VENV) (a minute or two, PyTorch is large) ..."
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" \
		|| { echo "archloom needs Python 3.11 or newer: make PYTHON=python3.12 demo"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --constraint constraints.txt torch
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable ".[dev]"
	@touch $(STAMP)

install: $(STAMP)

demo: $(STAMP)
	$(BIN)/archloom search --data digits --trials 12 --epochs 8 --out runs/demo --overwrite
	@echo "look at the report: runs/demo/report.html (in the environment: source $(BIN)/activate)"

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs/demo
