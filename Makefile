# One set-up step serves every target: a virtual environment with the pinned packages, and Java.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LAKE ?= lake
SETUP := $(VENV)/.setup-done
export OMP_NUM_THREADS ?= 1

.PHONY: help setup demo explore mlflow test check lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(SETUP) ## environment, pinned packages, Java (done by the others where needed)

$(SETUP): constraints.txt pyproject.toml .ci/setup
	bash .ci/setup "$(PYTHON)" "$(VENV)"
	@touch $(SETUP)

demo: $(SETUP) ## run every stage once on the demo Hub (about 5 minutes)
	$(BIN)/forensics demo --config conf/demo.yaml --root $(LAKE)

explore: $(SETUP) ## open the explorer on the loopback
	$(BIN)/forensics explore --root $(LAKE)

mlflow: $(SETUP) ## open MLflow's interface on the loopback
	$(BIN)/forensics mlflow --root $(LAKE)

test: $(SETUP) ## run the tests
	bash .ci/setup --browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(SETUP) ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(SETUP) ## resolve the pinned packages again, with hashes
	$(BIN)/uv pip compile -q pyproject.toml --extra dev --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o constraints.txt

clean: ## remove the environment and the demo's lake
	rm -rf $(VENV) lake
