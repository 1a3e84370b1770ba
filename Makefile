# Every target sets itself up on a fresh machine and is quick when nothing changed.
PYTHON    ?= python3
VENV      := .venv
BIN       := $(VENV)/bin
READY     := $(VENV)/.ready
PROTO_DIR ?= protos

.DEFAULT_GOAL := help
.PHONY: help setup demo quick test check format build loops pythons cover conformance bench fuzz soak audit proto docs-check clean

# Units of every layer and the main job; what takes long is in `make test`.
QUICK     := tests/test_rows.py tests/architecture tests/options tests/credentials tests/errors tests/status tests/values tests/fixtures \
             $(addprefix tests/events/,test_cursor.py test_data_change.py test_outlet_and_states.py) \
             $(addprefix tests/events/writes/,test_write_records.py test_written_items.py) \
             $(addprefix tests/wire/,times/test_times.py times/test_durations.py json/test_json_rules.py projection/test_projection.py) \
             $(addprefix tests/transport/calls/,test_backoff.py test_deadlines.py test_retries.py) \
             $(addprefix tests/transport/http2/,test_frames.py test_request_headers.py) \
             tests/subscription/test_subscription.py tests/client/test_main_job.py tests/cli/test_smoke.py tests/cli/help/test_usage.py

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: $(READY)  ## make the virtual environment in .venv

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(READY)  ## run the main job against the simulated gateway
	$(BIN)/mxgw-py smoke --simulator --item TestChildObject.TestInt --type int32 --value 123 --json
	@echo 'Next: run "$(BIN)/mxgw-py simulate --port 5000" and, in another terminal, "$(BIN)/mxgw-py smoke --endpoint localhost:5000 --plaintext --item TestMachine_001.TestChangingInt"; the README goes on from there.'

quick: $(READY)  ## run the units and the main job, in less than 40 seconds
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder --deselect tests/architecture/test_type_checking.py $(QUICK)

test: $(READY)  ## run the tests
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder

# mypy uses one core: its four runs take turns on as many as there are. Each has a cache of its own.
check: $(READY)  ## lint, types of the packages on each platform, of the tests and of the examples, and generated code that matches the contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python protos/generate.py --check
	@printf '%s\n' '--cache-dir .mypy_cache' '--platform win32 --cache-dir .mypy_cache/win32' \
	    '--platform darwin --cache-dir .mypy_cache/darwin' '--config-file tests/mypy.toml --cache-dir .mypy_cache/tests' \
	    | xargs -P "$$(getconf _NPROCESSORS_ONLN)" -I{} sh -c 'echo "mypy {}"; $(BIN)/mypy {} || exit 255'

format: $(READY)  ## format the code and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(READY)  ## build the wheel and the source distribution into dist
	$(BIN)/python -m build

loops: $(READY)  ## run the tests of the core on uvloop, and with eager tasks on each newer Python that is here
	PYTHONDONTWRITEBYTECODE= tests/loops/run $(BIN)/python

pythons: $(READY)  ## run the tables of tests/field, and the tests that they name, on each newer Python that is here
	PYTHONDONTWRITEBYTECODE= tests/loops/run $(BIN)/python tables

cover: $(READY)  ## run the tests and show what neither they nor the processes that they start reach
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered

conformance: $(READY)  ## run protobuf's conformance suite on the codec, and compare the codec with google.protobuf on the suite's messages
	$(BIN)/python -m pytest -q -s tests/conformance

bench: $(READY)  ## measure the client against its peers, as ratios in one run
	$(BIN)/python -m tests.benchmarks

fuzz: $(READY)  ## feed damaged messages, contracts, profiles and command lines, texts and header values for five minutes each
	MXGATEWAY_FUZZ_SECONDS=300 $(BIN)/python -m pytest -q tests/wire/decode/test_hostile_bytes.py tests/cli/input/test_hostile_contract_files.py tests/cli/input/test_hostile_lines.py tests/secrets/test_hostile_texts.py

soak: $(READY)  ## play schedules of calls and faults for two hours, then keep a subscription to 10,000 tags going through a million events and faults
	MXGATEWAY_MODEL_SECONDS=1800 $(BIN)/python -m pytest -q -s tests/events/models/test_model.py tests/events/models/test_model_of_writes.py tests/events/models/test_model_of_streams.py tests/events/models/test_model_of_subscriptions.py
	MXGATEWAY_SOAK_EVENTS=1000000 $(BIN)/python -m pytest -q -s tests/subscription/recovery/test_soak.py

audit: $(READY)  ## look up known vulnerabilities of what is installed in .venv; needs a network
	@$(BIN)/python -m tests.packaging.audit

proto: $(READY)  ## generate mxgateway/generated from PROTO_DIR
	$(BIN)/python protos/generate.py --proto-dir $(PROTO_DIR)

docs-check: $(READY)  ## run every example of the README and docs
	$(BIN)/python -m pytest -q tests/docs

clean:  ## remove what the targets made
	rm -rf $(VENV) $(VENV)-3.* dist build .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
