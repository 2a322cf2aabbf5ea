PYTHON ?= python3
PORT ?= 8080
BIN := .venv/bin
BUNDLE ?= dist/iris
FUNCTION := .venv/.made .venvs/lambda/.made .venvs/sam/.made
# The e-mails of the example spam come from npm.
EXAMPLES := $(patsubst %,dist/%/bundle.json,digits faces imagenet iris mobilenetv2 $(if $(shell command -v npm),spam))
BUILDER := $(shell find build/twite_build runtime/twite -name '*.py')
COMPILE := $(BIN)/uv pip compile --config-file locks/uv.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command 'make locks'

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help env run accelerators test test-runtime lint format bench peers examples fixtures lambda-local lambda-zip lambda-deploy lambda-rollback locks clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 26

env: .venv/.made ## make the development environment in .venv
run: dist/digits/bundle.json ## train, build and serve the digits example on port $(PORT)
	$(BIN)/twite serve dist/digits --port $(PORT)

accelerators: ## make what their tests use: the second engine, Arm's compiler vela, software Vulkan
	-@$(MAKE) --no-print-directory --keep-going $(patsubst %,.venvs/%/.made,tflite-runtime vela mesa-25 mesa-22)
test: lint $(EXAMPLES) $(FUNCTION) accelerators .venvs/clients/.made .venvs/onnx/.made ## run every test that this machine can run and name the others
	$(BIN)/python tools/runtime_environments.py
	$(BIN)/python -m pytest

test-runtime: .venv/.made ## run the runtime's tests alone, without the build step, on every CPython here
	$(BIN)/python tools/runtime_environments.py
	$(BIN)/python -m pytest -v tests/deploy/test_runtime_alone.py

lint: .venv/.made ## check style, types and the walls between modules
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/lint-imports

format: .venv/.made ## format the code and mend what can be mended
	$(BIN)/ruff check --fix-only --quiet; $(BIN)/ruff format

bench: $(EXAMPLES) $(FUNCTION) ## measure beside bare servers and scripts; ROWS="start …" for some alone
	$(BIN)/python bench/report.py $(ROWS)

peers: .venvs/peers/.made .venvs/mlserver/.made ## make the environments of the servers that bench ROWS=compare measures

examples: $(EXAMPLES) ## train and build the examples into dist/

fixtures: $(EXAMPLES) ## renew the bundles that the runtime's tests use
	for name in digits iris; do $(BIN)/twite build examples/$$name/recipe.toml -o tests/runtime/bundles/$$name --force --trust-pickle || exit; done

lambda-local: $(FUNCTION) $(BUNDLE)/bundle.json ## answer HTTP with the function in Lambda's emulator: BUNDLE=dist/iris PORT=8080
	PYTHONPATH=runtime $(BIN)/python lambda/local.py $(BUNDLE) --port $(PORT)

lambda-zip: .venv/.made $(BUNDLE)/bundle.json ## make dist/lambda-NAME.zip for Lambda's own Python: BUNDLE=dist/iris
	$(BIN)/python tools/lambda_zip.py $(BUNDLE)

lambda-deploy: .venvs/sam/.made $(BUNDLE)/bundle.json ## show what would be deployed from BUNDLE, and with CONFIRM=yes do it
	.venvs/sam/bin/python tools/lambda_deploy.py deploy $(BUNDLE)

lambda-rollback: .venvs/sam/.made ## show which version the alias would go back to, and with CONFIRM=yes do it
	.venvs/sam/bin/python tools/lambda_deploy.py rollback $(BUNDLE)

locks: .venv/.made ## resolve locks/*.txt anew; UPGRADE=--upgrade takes newer releases
	$(COMPILE) $(UPGRADE) --no-emit-package twite --no-emit-package torch --all-extras build/pyproject.toml runtime/pyproject.toml locks/dev.in -o locks/dev.txt
	$(COMPILE) $(UPGRADE) -c locks/dev.txt --all-extras runtime/pyproject.toml locks/runtime.in -o locks/runtime.txt
	$(COMPILE) $(UPGRADE) --no-deps locks/examples.in -o locks/examples.txt
	$(COMPILE) $(UPGRADE) -c locks/dev.txt --extra image runtime/pyproject.toml locks/lambda.in -o locks/lambda.txt
	$(subst 3.11,3.12,$(COMPILE)) $(UPGRADE) locks/onnx.in -o build/twite_build/onnx_requirements.txt
	for name in clients peers mlserver sam tflite-runtime vela; do $(COMPILE) $(UPGRADE) locks/$$name.in -o locks/$$name.txt || exit; done
	$(COMPILE) $(UPGRADE) -c locks/sam.txt --no-deps locks/emulator.in -o locks/emulator.txt

clean: ## remove everything that was made here
	rm -rf .venv .venvs dist examples/*/trained .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/.made: locks/dev.txt locks/examples.txt runtime/pyproject.toml build/pyproject.toml tools/environment.sh
	@tools/environment.sh .venv $(PYTHON) locks/dev.txt locks/examples.txt torch==2.13.0 -- ./runtime ./build

.venvs/tflite-runtime/.made: locks/tflite-runtime.txt runtime/pyproject.toml tools/environment.sh
	@tools/environment.sh $(@D) python3.11 $< -- ./runtime
.venvs/mesa-%/.made: tools/accelerators.sh
	@tools/accelerators.sh $(@D) $(if $(filter 25,$*),bookworm-backports)
.venvs/%/.made: locks/%.txt tools/environment.sh
	@tools/environment.sh .venvs/$* $(PYTHON) locks/$*.txt --
.venvs/onnx/.made: build/twite_build/onnx_requirements.txt build/twite_build/onnx_environment.py | .venv/.made
	@$(BIN)/python tools/onnx_environment.py

examples/%/trained/.made: examples/%/train.py | .venv/.made
	$(BIN)/python $< && touch $@

dist/%/bundle.json: examples/%/recipe.toml examples/%/trained/.made $(BUILDER) | .venv/.made
	$(BIN)/twite build $< -o $(@D) --force --trust-pickle
