# make grade    set up everything and grade submitted.py        (IMAGES=path: real images)
# make test     set up everything and run the product's own tests, side by side: minutes
# make lint     set up everything and check the code: rules, format and types
# make proof    set up everything and prove the rest: what takes too long for a test
# make coverage set up everything and count the lines of mp09 that the tests reach
# make stream   set up improv too, in an environment of its own, and stream synthetic images through the course's model
# make bench    set up everything and measure the claims of speed in docs/labs.md    (TINY=path: Tiny ImageNet too)
# make docs     set up everything and build the documentation site, site/index.html    (Python 3.11 or newer)
# make validate set up everything and prove the rubric as root, as an ordinary user, and without Landlock    (needs root)
# make setup    only set up: virtual environment, packages, data

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/$(if $(wildcard $(VENV)/Scripts),Scripts,bin)
DATA := cifar10_batches

.PHONY: setup grade test lint proof coverage validate real notebook stream bench docs clean

setup: $(VENV)/.student $(if $(IMAGES),images,data)

grade: setup
	$(BIN)/python grade.py

# Tests of one file share one process, of as many as fit; `python -m pytest` alone runs them one after the other.
BESIDE := -n auto --dist loadfile --no-loadscope-reorder
TESTS := -m "not real and not proof"
test: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/python -m pytest $(BESIDE) $(TESTS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# All submissions of the rubric, the labs, full-size data, a grader that is killed again and again, random submissions.
PROOF := runs/proof
# Of what `make validate` proves in whole, in two settings that are not ours
SAMPLE := skeleton kept_fc same_user/ flow/double_fork resources/fork_bomb shared/left_by_exit descriptors/fills words/nested_answer_to \
    accounting/child_without_first leaks/reads_the_rubric framework/writes_into_site
proof: $(VENV)/.dev
	$(BIN)/python -m mp09 validate
	test "$$(id -u)" != 0 || $(BIN)/python -m benchmarks.three_settings --settings user no-landlock --name $(SAMPLE)
	$(BIN)/python -m pytest $(BESIDE) -m "proof and not real"
	$(BIN)/python -m mp09 data --synthetic --per-file 400 --out $(PROOF)/cifar10_batches
	$(BIN)/python -m benchmarks.kill_grader --data $(PROOF)/cifar10_batches --times 10
	$(BIN)/python -m benchmarks.fuzz --inputs 500

coverage: $(VENV)/.dev
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(BESIDE) $(TESTS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

validate: $(VENV)/.dev
	$(BIN)/python -m benchmarks.three_settings

# What needs real images; skips with the reason when MP09_REAL_DATA does not name them.
real: $(VENV)/.dev
	$(BIN)/python -m pytest -m real

notebook: setup
	$(BIN)/python -m pytest --nbval mp09_notebook.ipynb -o addopts=

# Each ends with a line "ratio X goal Y"; nothing else should run meanwhile. All run, and the end says whether one failed.
BENCH := extraction_rate head_training tuning_time
bench: $(VENV)/.dev $(if $(IMAGES),images,data)
	@failed=0; \
	for name in $(BENCH); do \
	    echo "== $$name"; $(BIN)/python -m benchmarks.$$name --data $(DATA) || failed=1; \
	done; \
	echo "== video_rate"; $(BIN)/python -m benchmarks.video_rate || failed=1; \
	echo "== extraction_memory"; $(BIN)/python -m benchmarks.extraction_memory || failed=1; \
	if [ -f $(STREAM)/.made ]; then \
	    echo "== stream_rate"; $(BIN)/python -m benchmarks.stream_rate $(if $(IMAGES),--images "$(IMAGES)") || failed=1; \
	fi; \
	if [ -n "$(TINY)" ]; then \
	    echo "== alexnet_cached"; $(BIN)/python -m benchmarks.alexnet_cached --data "$(TINY)" || failed=1; \
	fi; \
	exit $$failed

# The marker files are younger than what was installed from: a second run installs nothing.
$(VENV)/.student: requirements.txt
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@echo "installing packages: some minutes, about 6 GB on Linux"
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.student pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

# Every page is read anew, because a warning about a page that is known from before would be lost.
docs: $(VENV)/.docs
	rm -rf site
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env -d $(VENV)/doctrees docs site

$(VENV)/.docs: $(VENV)/.student pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[docs]"
	touch $@

# improv needs packages that are older than the course's, and Python 3.10 or 3.11; PyTorch is shared by a .pth file.
STREAM := .venv-stream
$(STREAM)/.made: mp09/streaming/requirements.txt $(VENV)/.dev
	@$(BIN)/python -c "import sys; sys.exit(sys.version_info > (3, 12) and \
	    'improv needs Python 3.10 or 3.11: make stream PYTHON=python3.11 VENV=.venv-3.11')"
	test -d $(STREAM) || $(BIN)/python -m venv $(STREAM)
	$(STREAM)/bin/python -m pip install --quiet --no-deps --only-binary :all: -r mp09/streaming/requirements.txt
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > $(STREAM)/course.pth
	mv $(STREAM)/course.pth $(STREAM)/lib/python*/site-packages
	touch $@

DEMO := runs/demo
stream: $(STREAM)/.made
	$(BIN)/python -m mp09 cifar-images --synthetic --per-batch 500 --batch 1 --out $(DEMO)/images
	$(BIN)/python -m mp09 export --model resnet18-32 --out $(DEMO)/model.pt
	rm -rf $(DEMO)/stream
	$(BIN)/python -m mp09 stream --images $(DEMO)/images/images --labels $(DEMO)/images/labels \
	    --exported $(DEMO)/model.pt --graph timing --group 16 --out $(DEMO)/stream

.PHONY: data images
data:
	@$(BIN)/python -m mp09 data --out $(DATA)

images:
	@$(BIN)/python -m mp09 data --out $(DATA) --images "$(IMAGES)"

clean:
	rm -rf $(VENV) $(STREAM) $(DATA) $(PROOF) site docs/api .pytest_cache .ruff_cache .mypy_cache .coverage*
