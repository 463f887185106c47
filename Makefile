# One set-up step serves every target: a virtual environment with the pinned packages, and Java.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
LAKE ?= lake
TOY_LAKE ?= lake-toy
SETUP := $(VENV)/.setup-done
export OMP_NUM_THREADS ?= 1

# The tests start many processes: none of them is to compile the project again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo experiments experiments-smoke explore mlflow test test-cluster package check lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(SETUP) ## environment, pinned packages, Java (done by the others where needed)

$(SETUP): constraints.txt pyproject.toml .ci/setup
	bash .ci/setup "$(PYTHON)" "$(VENV)"
	@touch $(SETUP)

demo: $(SETUP) ## run every stage once on the demo Hub (about 5 minutes)
	$(BIN)/forensics demo --config conf/demo.yaml --root $(LAKE)

experiments: $(SETUP) ## rerun E1, E2 and E3 in the toy world, from generation to figures (about 20 minutes)
	$(BIN)/forensics toy-world --config conf/toy-world.yaml --root $(TOY_LAKE)
	set -e; for name in toy_e1 toy_e2 toy_e3 toy_cnn; do \
	  $(BIN)/forensics experiment --config conf/experiments/$$name.yaml --root $(TOY_LAKE); \
	  $(BIN)/forensics report $$name --root $(TOY_LAKE); done

experiments-smoke: $(SETUP) ## the same at the smallest size, to see that it runs (about 4 minutes)
	$(BIN)/forensics toy-world --root $(TOY_LAKE)-smoke --kinds '[nearest, carafe, wavelet, patches, filtered, row-by-row]' \
	  --models 4 --train_images 64 --test_images 16 --real_crops 2
	$(BIN)/forensics experiment --config conf/experiments/toy_smoke.yaml --root $(TOY_LAKE)-smoke
	$(BIN)/forensics report toy_smoke --root $(TOY_LAKE)-smoke

explore: $(SETUP) ## open the explorer on the loopback
	$(BIN)/forensics explore --root $(LAKE)

mlflow: $(SETUP) ## open MLflow's interface on the loopback
	$(BIN)/forensics mlflow --root $(LAKE)

test: $(SETUP) ## run the tests
	bash .ci/setup --browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/cluster

test-cluster: $(SETUP) ## run the tests of a lake in an object store (MinIO)
	bash .ci/setup --cluster
	$(BIN)/python -m pytest tests/cluster

package: $(SETUP) ## what spark-submit needs: dist/forensics.zip, dist/environment.tar.gz
	rm -rf dist/package && mkdir -p dist/package
	$(BIN)/uv build -q --wheel --no-build-isolation -o dist/package .
	cp dist/package/*.whl dist/forensics.zip
	$(BIN)/uv venv -q --seed --python "$(PYTHON)" dist/package/environment
	$(BIN)/uv pip install -q --python dist/package/environment/bin/python --require-hashes -r constraints.txt
	$(BIN)/uv pip install -q --python dist/package/environment/bin/python --no-deps dist/package/*.whl
	$(BIN)/venv-pack -q -f -p dist/package/environment -o dist/environment.tar.gz
	rm -rf dist/package

check: $(SETUP) ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(SETUP) ## resolve the pinned packages again, with hashes
	$(BIN)/uv pip compile -q pyproject.toml --extra dev --extra cluster --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" -o constraints.txt

clean: ## remove the environment and the demo's lake
	rm -rf $(VENV) lake
