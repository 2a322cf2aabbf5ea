PYTHON ?= python3
PORT ?= 8080
BIN := .venv/bin
BUNDLE ?= dist/iris
FUNCTION := .venv/.made .venvs/lambda/.made .venvs/sam/.made
# The e-mails of the example spam come from npm.
EXAMPLES := $(patsubst %,dist/%/bundle.json,digits faces imagenet iris mobilenetv2 $(if $(shell command -v npm),spam))
BUILDER := $(shell find build/twite_build runtime/twite -name '*.py')

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: help env run accelerators test test-long test-runtime lint format bench peers examples fixtures lambda-local lambda-zip lambda-deploy lambda-rollback lambda-image lambda-run lambda-sam edge-images edge-install locks clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 \t/p' Makefile | expand -t 26

env: .venv/.made ## make the development environment in .venv
run: dist/digits/bundle.json ## train, build and serve the digits example on port $(PORT)
	$(BIN)/twite serve dist/digits --port $(PORT)

accelerators: ## make what their tests use: the second engine, Arm's compiler vela, software Vulkan
	-@$(MAKE) --no-print-directory --keep-going $(patsubst %,.venvs/%/.made,tflite-runtime vela mesa-25 mesa-22)

test: lint $(EXAMPLES) $(FUNCTION) accelerators $(patsubst %,.venvs/%/.made,clients containers kserve onnx) ## run every test that this machine can run and name the others
	$(BIN)/python tools/runtime_environments.py
	$(BIN)/python -m pytest
test-long: .venv/.made .venvs/containers/.made ; $(BIN)/python -m pytest tests/deploy/containers/long ## compile numpy for the slim images and test them, in some minutes

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
lambda-image: .venv/.made $(BUNDLE)/bundle.json ; BUNDLE=$(BUNDLE) tools/images.sh lambda$(if $(SLIM),-slim) ## make the function's images, arm64 and amd64: BUNDLE=dist/iris; SLIM=yes without BLAS
lambda-run: .venv/.made $(BUNDLE)/bundle.json ; BUNDLE=$(BUNDLE) PORT=$(PORT) tools/function.sh run ## answer events with the function's image in Lambda's emulator on PORT
lambda-sam: .venvs/sam/.made $(BUNDLE)/bundle.json ; BUNDLE=$(BUNDLE) PORT=$(PORT) tools/function.sh sam ## answer HTTP with the function's image in `sam local start-api` on PORT
edge-images: .venv/.made ; BUNDLE=$(if $(filter file,$(origin BUNDLE)),,$(BUNDLE)) tools/images.sh edge edge-armv7 ## make the images of boards; BUNDLE=dist/digits puts it inside
edge-install: ; edge/install.sh $(if $(filter file,$(origin BUNDLE)),,$(BUNDLE)) ## install the server as a systemd service: BUNDLE=dist/digits

locks: .venv/.made ## resolve locks/*.txt anew; UPGRADE=--upgrade takes newer releases
	tools/locks.sh $(UPGRADE)

clean: ## remove everything that was made here
	tools/docker.sh stop; rm -rf .docker .venv .venvs dist examples/*/trained .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

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
